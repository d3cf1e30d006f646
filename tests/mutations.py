"""Defects made by hand, each of which some test must notice: `python tests/mutations.py [NUMBER ...]` tries them.

A mutation is written into a copy of the project, never into the project itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = "fastscape", "kernels", "tests", "benchmarks", "pyproject.toml", "README.md"


class Mutation(NamedTuple):
    """One defect.

    Args:
        file: The module of `fastscape/` that gets it.
        defect: What is wrong then.
        before: The text of the module, which occurs once.
        after: What it becomes.
        tests: The file in `tests/`, or the test in it, that must fail.
    """

    file: str
    defect: str
    before: str
    after: str
    tests: str


MUTATIONS = [
    Mutation("weights/schemes", "linear2x mixes in psi without scaling it", "* _normed(gram, psi) + _along(2, beta)",
             "* psi + _along(2, beta)", "weights/test_schemes.py"),
    Mutation("weights/schemes", "barycentric gives psi the share 1 - alpha",
             "_normed(gram, phi) + (1 - beta)[:, None, None] * _normed(gram, psi)",
             "_normed(gram, phi) + (1 - alpha)[:, None, None] * _normed(gram, psi)", "weights/test_schemes.py"),
    Mutation("weights/schemes", "bilinear scales filter by filter instead of tensor by tensor",
             '"bilinear": Scheme(bilinear, normalize="none", over="layer")',
             '"bilinear": Scheme(bilinear, normalize="none")', "weights/test_schemes.py"),
    Mutation("weights/schemes", "bilinear normalises its directions first",
             '"bilinear": Scheme(bilinear, normalize="none", over="layer")',
             '"bilinear": Scheme(bilinear, over="layer")', "weights/test_schemes.py"),
    Mutation("weights/schemes", "line does not scale theta down by 1 - alpha",
             "return _stack(1 - alpha, torch.zeros_like(alpha)) +",
             "return _stack(torch.ones_like(alpha), torch.zeros_like(alpha)) +", "test_line.py"),
    Mutation("weights/schemes", "n(v) scales by the ratio of the squared norms", "(gram_SKK[:, 0, 0] / square).sqrt()",
             "(gram_SKK[:, 0, 0] / square)", "weights/test_schemes.py"),
    Mutation("weights/schemes", "n(v) is NaN if v is 0",
             "torch.where(square > 0, (gram_SKK[:, 0, 0] / square).sqrt(), 0.0)",
             "(gram_SKK[:, 0, 0] / square).sqrt()", "weights/test_schemes.py"),
    Mutation("weights/layout", "the filters of a transposed convolution are its input channels",
             "return shape, (1, 0, *order[2:])", "return shape, order", "weights/test_layout.py"),
    Mutation("weights/layout", "the filters of a GPT-2 layer are its inputs", '== "Conv1D" and', '== "" and',
             "weights/test_layout.py"),
    Mutation("weights/layout", "a linear weight is a single filter", "filters = 1 if tensor.dim() < 2 else",
             "filters = 1 if tensor.dim() < 3 else", "weights/test_layout.py"),
    Mutation("weights/layout", "random directions move running variances", "[not entry.variance] * entry.filters",
             "[True] * entry.filters", "weights/test_directions.py"),
    Mutation("weights/layout", "running means are taken for variances", 'leaf == "running_var"',
             'leaf == "running_mean"', "weights/test_directions.py"),
    Mutation("weights/layout", "weights are stored contiguously and read with their channels last",
             "tensors.permute(0, *(1 + d for d in order)).reshape", "tensors.reshape", "weights/test_layout.py"),
    Mutation("weights/entry", "tensors of a wrong shape are broadcast into the buffer",
             "if tuple(tensor.shape) != self.shape:", "if tensor.dim() != len(self.shape):",
             "weights/test_layout.py"),
    Mutation("weights/layout", "tensors are stored without alignment", "offset = _aligned(entries[-1].stop)",
             "offset = entries[-1].stop", "weights/test_layout.py"),
    Mutation("model/objective", "a point has the mean of its microbatches", "return torch.stack(list(sums)).sum(0)",
             "return torch.stack(list(sums)).mean(0)", "engine/test_engine.py"),
    Mutation("engine/engine", "vmap adds the first microbatch again and again",
             "sums = [mapped(tensors, c, batch, index) for", "sums = [mapped(tensors, c, self._batches[0], index) for",
             "engine/test_engine.py"),
    Mutation("engine/workers", "workers exchange their shares", "for share in work]", "for share in work[::-1]]",
             "engine/test_engine.py"),
    Mutation("engine/workers", "the number of threads stays changed", "finalize(self, torch.set_num_threads, threads)",
             "finalize(self, abs, threads)", "engine/test_engine.py"),
    Mutation("engine/layers/products", "a convolution of one pixel ignores its stride",
             "(slice(None, None, stride),)", "(slice(None),)", "engine/test_products.py"),
    Mutation("engine/layers/products", "each filter has the coefficients of the first filter",
             "c = c[:, None] if c.dim() == 2 else c", "c = c[:, None] if c.dim() == 2 else c[:, :1]",
             "engine/test_products.py"),
    Mutation("engine/layers/parts", "seeded parts of a tensor get the numbers of its beginning",
             "first=vectors.first + entry.offset", "first=vectors.first", "engine/test_products.py"),
    Mutation("engine/layers/hoisting", "a weight that is first read later comes from uninitialised memory",
             "None if name in self.unfilled else tensors[name]", "tensors[name]", "engine/test_products.py"),
    Mutation("engine/point_weights", "hoisted layers take the coefficients of the first filters",
             "own = c[:, touched] if c.shape[1] > 1 else c",
             "own = c[:, : segments.count] if c.shape[1] > 1 else c", "engine/test_engine.py"),
    Mutation("engine/engine", "dropout differs from point to point", 'randomness="same"', 'randomness="different"',
             "model/test_batch_norm.py"),
    Mutation("model/values_of_samples", "batch means are summed without their samples",
             "return value.double() * samples", "return value.double()", "test_surface_values.py"),
    Mutation("model/values_of_samples", "values of samples are averaged in a batch", "return value.double().sum()",
             "return value.double().mean()", "test_surface_values.py"),
    Mutation("model/objective", "measures follow the order in which an objective returns them",
             'values = {"loss": found["loss"], **{name: value for name, value in found.items() if name != "loss"}}',
             "values = dict(found)", "test_families.py::test_metrics_of_an_objective"),
    Mutation("model/objective", "an objective cannot differentiate", "with torch.enable_grad() if",
             "with torch.no_grad() if", "test_families.py"),
    Mutation("model/weighing", "standard errors use sums instead of sums of squares",
             "squares = losses.square().sum()", "squares = losses.sum()",
             "runs/test_standard_error.py"),
    Mutation("model/weighing", "the spread of the lengths of texts counts as error",
             "return 3 if isinstance(custom, Weighing) else 1", "return 1", "objectives/test_ratio_errors.py"),
    Mutation("runs/paired", "the spread of the lengths of texts counts as error of a barrier",
             "each - each.sum() / weights.sum() * weights", "each - each.mean()", "objectives/test_ratio_errors.py"),
    Mutation("model/problem", "the losses of a part of the data are divided by its number of texts",
             "return float(self.counts.flatten()[0])", "return sum(b.samples for b in self.samples if not b.of)",
             "objectives/test_ratio_errors.py"),
    Mutation("model/columns", "the means of every data set run over all samples",
             "own = [batch for batch in samples if batch.of == of]", "own = list(samples)", "model/test_columns.py"),
    Mutation("model/problem", "statistics are estimated over all data sets", "                if not batch.of:",
             "                if True:", "runs/test_data_sets.py"),
    Mutation("engine/graphs", "batches of two data sets share a graph",
             "(batch.of, batch.samples, kind)", "(batch.samples, kind)", "engine/test_graphs.py"),
    Mutation("model/values_of_samples", "a loss with class weights is averaged without them",
             "return values if values.dim() == 1 and error <= allowed else None",
             "return values if values.dim() == 1 else None",
             "runs/test_standard_error.py"),
    Mutation("sampling/auto_range", "the higher end stands for the mean of both ends", "mean = sum(ends) / 2",
             "mean = max(ends)", "sampling/test_auto_range.py"),
    Mutation("sampling/auto_range", "a centre loss of 0 stays the scale of the rise",
             "FACTOR * max(self.centre, SHARE * self.scale)",
             "FACTOR * self.centre", "sampling/test_auto_range.py"),
    Mutation("sampling/auto_range", "a NaN does not count as a rise",
             "if self.scale is None or not math.isfinite(mean):",
             "if self.scale is None:", "sampling/test_auto_range.py"),
    Mutation("sampling/auto_range", "a walk down takes two steps at once", "k, ends = k - 1, below",
             "k, ends = k - 2, below", "sampling/test_auto_range.py"),
    Mutation("runs/axes", "the other coordinate is not 0", "coordinate if k == place else 0.0",
             "coordinate if k == place else 0.1", "sampling/test_auto_range.py"),
    Mutation("runs/axes", "a resumed run measures its range again", "known_reach(backing.store.path)", "{}",
             "sampling/test_auto_range.py"),
    Mutation("sampling/sample_size", "points whose loss is not finite decide how many samples are read",
             "finite = np.isfinite(means)", "finite = np.ones_like(means, dtype=bool)",
             "sampling/test_sample_size.py"),
    Mutation("sampling/sample_size", "the standard error is compared with the highest loss, not with the range",
             "self.target * (found.highest - found.lowest)", "self.target * found.highest",
             "sampling/test_sample_size.py"),
    Mutation("sampling/sample_size", "the first part of the data is always enough",
             "LEAST_PARTS, LEAST_SAMPLES = 2, 100",
             "LEAST_PARTS, LEAST_SAMPLES = 1, 100", "sampling/test_sample_size.py"),
    Mutation("model/shuffling", "samples are read in the order of the data",
             'order = torch.randperm(samples, generator=torch.Generator("cpu").manual_seed(SEED), device="cpu")',
             'order = torch.arange(samples, device="cpu")', "sampling/test_sample_size.py"),
    Mutation("model/shuffling", "the order draws from the user's random numbers",
             'generator=torch.Generator("cpu").manual_seed(SEED), device="cpu"', 'device="cpu"',
             "sampling/test_sample_size.py"),
    Mutation("model/data", "a generator is closed before its end",
             "    for batch in data:\n        at_rest()\n        yield batch\n", "    yield from data\n",
             "sampling/test_sample_size.py"),
    Mutation("runs/schedules/streaming", "every process stops by the errors of its own points",
             "found = joint(None if one is None else Spread(*one) for one in every)", "assert every",
             "runs/test_distributed.py::test_all_processes_stop_after_the_same_part_of_the_data"),
    Mutation("runs/evaluation", "a store that is good enough reads one more part",
             "if number + 1 == schedule.parts and", "if evaluator.begun and number + 1 == schedule.parts and",
             "sampling/test_sample_size.py"),
    Mutation("runs/reproduction", "a landscape is reproduced with a number of samples that rounding changes",
             'Expected(hashes, report["samples"], values)', "Expected(hashes, None, values)",
             "sampling/test_sample_size.py"),
    Mutation("sampling/trust", "what was seen at held-out points is forgotten", "LEFT_OUT * left_out, seen)",
             "LEFT_OUT * left_out)", "sampling/test_adaptive.py"),
    Mutation("sampling/trust", "the first points alone decide", "and not self.edge and self.held_out > 0",
             "and not self.edge", "sampling/test_adaptive.py"),
    Mutation("sampling/trust", "the edge of a region without values need not be known",
             "<= tolerance and not self.edge", "<= tolerance", "sampling/test_adaptive.py"),
    Mutation("sampling/relief", "a trend is taken for what it is, not for its height", "np.log10(column[there])",
             "column[there]", "sampling/test_adaptive.py"),
    Mutation("views/captions", "what is said of a metric is the error of the loss", 'if metric != "loss":',
             "if not metric:", "sampling/test_adaptive.py::test_how_good_predictions_are_is_said"),
    Mutation("runs/distributed", "values are not cut to what a store takes", "PIECE = 4 << 20", "PIECE = 64 << 20",
             "runs/test_distributed.py::test_grids_are_gathered_that_are_larger_than_a_value_of_the_store"),
    Mutation("runs/assembly", "what is shown may be written to", "facts = deepcopy(work.report)",
             "facts = dict(work.report)", "views/test_live.py"),
    Mutation("runs/signals", "a signal does not wake a process that waits for others",
             "if self.came is not None and time.monotonic()", "if self.came is None and time.monotonic()",
             "runs/test_distributed.py::test_a_signal_acts_while_others_are_waited_for_but_not_at_once"),
    Mutation("runs/evaluation", "who waits for others is not told of signals",
             "schedule.ranks.waiting.meanwhile = partial(stops.act_if_late, schedule.say_stopped)", "pass",
             "runs/test_distributed.py::test_parts_of_data_that_were_stored_by_several_are_not_read_again"),
    Mutation("results/formats/hdf5", "a loss of -1 in an own file is taken for a point that was not computed",
             "arrays if ours else _without(arrays, missing)",
             '_without(arrays, arrays["train_loss"] == _NOT_COMPUTED)', "results/test_formats.py"),
    Mutation("results/formats/stored", "unwritten parts of a data set are read as zeros",
             "if there != wanted:", "if there > wanted:", "results/test_broken_files.py"),
    Mutation("results/formats/csv", "points that form no grid become a mesh",
             "if math.prod(shape) != len(table):", "if not len(table):", "results/test_broken_files.py"),
    Mutation("results/formats/npz", "an archive may declare more than it holds",
             "if info.file_size > (_TIGHTEST * info.compress_size if packed else info.compress_size):", "if False:",
             "results/test_broken_files.py"),
    Mutation("results/atomic", "leftovers of a killed process stay forever", "    _sweep(path)\n", "",
             "results/test_atomic.py"),
    Mutation("results/atomic", "files that a different process is writing are deleted", "if not _locked(file):",
             "if _locked(file) is None:", "results/test_atomic.py"),
    Mutation("weights/precision", "complex tensors that stay still lose their imaginary parts",
             "if tensor.is_complex():", "if tensor.is_complex() and False:", "test_complex_models.py"),
    Mutation("weights/entry", "only the real part of a complex tensor moves", "pairs_of(tensor.detach())",
             "pairs_of(tensor.detach().real)", "test_complex_models.py"),
    Mutation("weights/layout", "each entry of a complex bias is a filter",
             "filters = 1 if tensor.dim() < 2 else", "filters = 1 if (tensor.dim() + tensor.is_complex()) < 2 else",
             "weights/test_complex_weights.py"),
    Mutation("model/problem", "changes of a forward pass to the model are not put back",
             "with restored(changed.parts_in(model)), put_at(", "with put_at(", "test_law_state.py"),
    Mutation("model/footprint", "writes of a forward pass to weights go unnoticed",
             "n for n, tensor in own.items() if tensor is not held[n] and not same_values(tensor, held[n].detach())",
             "n for n in ()", "test_law_state.py"),
    Mutation("model/copies", "functions reach the original model from its copy",
             "    if any(map(_reaches_others, parts)):\n", "    if False:\n", "test_law_state.py"),
    Mutation("model/probes", "batches are joined although the model draws random numbers",
             "if rounding and not draws:",
             "if rounding:", "test_law_batches.py"),
    Mutation("model/probes", "a point far from the model is not compared",
             "    if not depends_on_batches(_difference(theirs, ours, batch.samples), problem.dtype):\n",
             "    if True:\n", "model/test_probes.py"),
    Mutation("model/lending", "a lent model keeps the weights of the last point",
             "here.data.copy_(self._loan.read(name))", "pass", "test_lending.py"),
    Mutation("model/observed", "a batch of a different form counts as a batch of samples",
             "first, alike = replace(first, each=None, moments=0), False", "pass", "test_law_batches.py"),
    Mutation("model/probes", "batches are joined without a check of the values",
             "if [batch.samples for batch in free.batches(microbatch)] != [batch.samples for batch in batches]:",
             "if False:", "test_law_batches.py"),
    Mutation("engine/comparison", "a plan is used whatever values it gives",
             "if differs(found, wanted, problem.counts, problem.narrowest):", "if False:",
             "engine/test_planner.py"),
    Mutation("runs/same_problem", "a store of a different problem is resumed", "if far.max() <= unseen:",
             "if far.max() >= 0:", "runs/test_same_problem.py"),
    Mutation("runs/same_problem", "noise that does not repeat is taken for rounding", "if apart > unseen and LEEWAY",
             "if apart < 0 and LEEWAY",
             "runs/test_same_problem.py::test_where_no_value_repeats_nobody_can_tell_and_it_is_said"),
    Mutation("runs/waiting", "time at work counts as silence", "heard = now if state is None else heard",
             "heard = begun", "runs/test_waiting.py::test_who_dies_after_long_work_has_the_whole_time"),
    Mutation("runs/waiting", "two processes that wait for each other hang", "whose = awaited", "return whose, None",
             "runs/test_waiting.py::test_all_name_the_one_that_keeps_them_waiting"),
    Mutation("runs/turns", "threads do not take turns", "if _runs.get():  # a", "if True:  # a",
             "test_threads.py::test_every_thread_gets_the_values_of_each_alone"),
    Mutation("runs/signals", "a signal acts during a restore",
             "elif self.came is None or not self.open:", "elif self.came is None:", "test_threads.py::TestSignals"),
    Mutation("model/global_state", "a forked process waits for threads that it lacks", "        if _forked:",
             "        if _forked is None:",
             "test_threads.py::test_a_call_works_in_a_process_that_was_forked_or_spawned"),
    Mutation("runs/store/folder", "leftovers of killed writers stay forever",
             "(Path(folder) / name).unlink(missing_ok=True)", "pass", "runs/test_store_whole.py"),
    Mutation("runs/store/finishing", "a finished landscape is deleted before its replacement is complete",
             'beside = "report" in header and not beside', "beside = False", "runs/test_crashes.py"),
    Mutation("runs/store/header", "a damaged entry of a header is believed",
             "if _digest(attributes.get(name)) != digest]", "if False]", "runs/test_store_whole.py"),
    Mutation("model/drawing", "a draw takes the first samples",
             'torch.randperm(len(weights), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")',
             "torch.arange(len(weights))", "model/test_drawing.py"),
    Mutation("runs/levels", "recalibrated statistics use the samples of a draw alone",
             ' or options["batchnorm"] == "recalibrate":', ":", "runs/test_levels.py"),
    Mutation("runs/gathering", "a standard error reads no more than the first part",
             "for problem in parts:\n", "for problem in [next(iter(parts))]:\n", "runs/test_levels.py"),
    Mutation("runs/schedules/rounds", "points of a store are evaluated again",
             "left = self.wanted[~self._stored[self.wanted]]", "left = self.wanted", "runs/test_written_before.py"),
    Mutation("engine/comparison", "a microbatch found during the run is used without a check",
             " or plan.microbatch != self.microbatch", "", "test_law_batches.py"),
    Mutation("engine/block_weights", "all points have the weights of the first point", "point = self._points[number]",
             "point = self._points[0]", "engine/test_layer_major.py::test_ways_through_a_chain"),
    Mutation("engine/block_weights", "tensors of other blocks are read again at every point",
             "self.blocks.parts[inside].names.add(name)", "pass",
             "engine/test_layer_major.py::test_a_tensor_that_is_read_elsewhere_is_read_with_what_reads_it"),
    Mutation("engine/comparison", "points that disturb each other go unnoticed",
             '== "layers" and engine.plan.chunk > 1:', "== 0:",
             "engine/test_layer_major.py::test_passes_that_disturb_each_other_are_seen_before_the_run"),
    Mutation("engine/lock_step", "the next call sees process settings of the call before", "        set_switches(own)",
             "        pass", "engine/test_lock_step.py"),
    Mutation("engine/graphs", "a graph replays the weights of its capture",
             "            self._weights.copy_(weights)\n", "", "engine/test_graphs.py"),
    Mutation("engine/graphs", "operations that read numbers back are captured", "        if self.refused is None:",
             "        if False:", "engine/test_graphs.py"),
    Mutation("engine/streams", "weights are written to while they are read",
             "            self._stream.wait_event(self._left[0])", "            pass",
             "engine/test_pretended_gpu.py"),
    Mutation("weights/gram_of_checkpoints", "coordinates of paths are <w, d> / |d|",
             "coordinates = (products * unit) @ inverse * unit", "coordinates = (products * unit) @ inverse",
             "weights/test_trajectories.py"),
    Mutation("weights/gram_of_checkpoints", "a kept matrix is used for different checkpoints",
             'if str(found["key"]) == key else', "if True else", "weights/test_checkpoints.py"),
    Mutation("weights/directions/plane", "coordinates are relative to the last checkpoint",
             "to_all[:-1] - to_all[-1]", "to_all[:-1]", "weights/test_trajectories.py"),
    Mutation("weights/directions/plane", "float32 always suffices for a plane",
             "return error * (nearest + others) < SURE", "return True", "weights/test_checkpoints.py"),
    Mutation("weights/recording", "a replaced record of a step still counts",
             "rows[-1].step >= row.step", "rows[-1].step > row.step", "weights/test_recording.py"),
    Mutation("curvature/matrices", "products are summed over the batches, not averaged",
             "return (total / self.problem.size).T", "return (total / 1).T", "curvature/test_curvature_matrices.py"),
    Mutation("curvature/batch_products", "a second derivative that torch does not have counts as 0",
             "if ends_in_error(slopes):", "if False:", "curvature/test_curvature_matrices.py"),
    Mutation("curvature/batch_products", "the Gauss-Newton matrix leaves out the loss",
             "lambda moved: _gradient(slopes, ends, moved, keep=False)", "lambda moved: moved",
             "curvature/test_curvature_matrices.py"),
    Mutation("curvature/eigenpairs", "residuals are not divided by the norm",
             "axis=0) / (norm or 1.0)", "axis=0) / 1.0", "curvature/test_spectrum.py"),
    Mutation("curvature/traces", "the sketch is not taken out of the probes",
             "left = signs - basis @ (basis.T @ signs)", "left = signs", "curvature/test_spectrum.py"),
    Mutation("curvature/densities", "known eigenvalues count twice", "rows = share * _of_probes(rest,",
             "rows = _of_probes(rest,", "curvature/test_spectrum.py"),
    Mutation("curvature/extremes", "the residual of the smallest eigenvalue is ignored",
             "vectors[-1, [0, -1]].abs().max()", "vectors[-1, [-1]].abs().max()",
             "curvature/test_eigenvalue_maps.py"),
    Mutation("curvature/extremes", "a full subspace keeps the middle of the spectrum",
             "remainder(filled - width // 4) < width // 4", "sub(filled // 2).abs() < width // 4",
             "curvature/test_eigenvalue_maps.py"),
    Mutation("curvature/extremes", "the samples of all data sets count",
             "self.problem = of_first_set(self.problem)", "pass", "curvature/test_eigenvalue_maps.py"),
    Mutation("runs/curvature", "unconverged eigenvalues cause no warning", "if residuals is None or not",
             "if True or not", "curvature/test_eigenvalue_maps.py"),
    Mutation("weights/repeats", "every repeat has the directions of the first", "if repeat == 0:", "if True:",
             "runs/test_repeats.py"),
    Mutation("results/repeats", "the spread divides by n instead of n - 1", "ddof=1", "ddof=0",
             "results/test_repeats_kept.py"),
    Mutation("views/direction_bands", "the band goes from the lowest direction to the highest",
             "landscape.quantiles([LOW, HIGH], metric)", "landscape.quantiles([0, 1], metric)",
             "views/test_direction_bands.py"),
    Mutation("results/excess", "excess is over the mean of the ends",
             "values - (values[0] + t * (values[-1] - values[0]))", "values - (values[0] + values[-1]) / 2",
             "results/test_barrier_values.py"),
    Mutation("runs/paired", "the error of an excess uses the error of its point alone",
             "excess = here[name] - ((1 - t) * start[name] + t * end[name])", "excess = here[name]",
             "runs/test_barrier.py"),
    Mutation("model/by_sample", "single samples are evaluated with mixed statistics",
             "problem.calibrated({**problem.still, **tensors}, batches)", "{**problem.still, **tensors}",
             "runs/test_barrier.py"),
    Mutation("model/columns", "a class has the values of all samples", "values[name][content[1] == number] for number",
             "values[name] for number", "runs/test_barrier.py"),
    Mutation("model/held", "a loader is read again for every pair of models", "if self._kept is not None:",
             "if False:", "runs/test_barrier.py"),
    Mutation("paths/alignment/pieces", "a slice may take its units from the rest",
             "            ground.together(atoms)\n            left", "            left",
             "paths/test_alignment_relations.py"),
    Mutation("paths/alignment/relations", "a sum of two tensors leaves their units apart",
             "ground.unite(onto(ground, bundle, shared), onto(ground, their, shared))", "continue",
             "paths/test_alignment_families.py"),
    Mutation("paths/alignment/relations", "rows of a softmax fall apart",
             "        if rest:\n            onto(ground, bundle, rest)",
             "        if not rest:\n            onto(ground, bundle, rest)", "paths/test_alignment_relations.py"),
    Mutation("paths/alignment/matching", "units are matched to the worst fit", "maximize=True", "maximize=False",
             "paths/test_alignment.py"),
    Mutation("paths/alignment/tracing", "weights that nothing has read move",
             "if id(tensor) not in self._read]", "if False]", "paths/test_alignment.py"),
    Mutation("runs/alignment", "a model with different outputs is returned",
             "if not error <= max(TOLERANCE, 4 * noise)",
             "if not error <= max(1e9, 4 * noise)", "paths/test_alignment.py"),
    Mutation("runs/alignment", "tied tensors are permuted under their first name alone",
             "tied[id(tensor)] or [name]", "[name]",
             "paths/test_alignment.py"),
    Mutation("results/sections", "the smallest loss may be one that is not finite", "np.where(finite, flat, np.inf)",
             "np.where(np.isnan(flat), np.inf, flat)", "results/test_sections.py"),
    Mutation("results/sections", "a mean counts points and not the range", "(ends[2:] - ends[:-2]) / 2 / np.ptp(axis)",
             "np.full(len(axis), 1 / len(axis))", "results/test_sections.py"),
    Mutation("results/sections", "a slice marks a model that is outside it", "[axis] == value for axis",
             "[axis] is not value for axis", "results/test_sections.py"),
    Mutation("weights/space", "schemes are tried with two coordinates, however many axes there are",
             "range(1, 1 + asked.axes)", "range(1, 3)", "runs/test_volume.py"),
    Mutation("persistence/merge_tree", "when two basins meet, the deeper one ends",
             "deep, shallow = sorted((first, second))", "shallow, deep = sorted((first, second))",
             "persistence/test_merge_tree.py"),
    Mutation("persistence/merge_tree", "when several basins meet at one point, each joins the next one",
             "parents[basin] = parents[parent]", "pass", "persistence/test_merge_tree.py"),
    Mutation("persistence/basins", "a shallow basin joins the deepest basin instead of its neighbour",
             "np.arange(len(kept)), tree.across)", "np.arange(len(kept)), tree.parents)",
             "persistence/test_merge_tree.py"),
    Mutation("persistence/basins", "a basin is certain once it is deeper than the error", "> 2 * error", "> error",
             "persistence/test_band.py"),
    Mutation("persistence/holes", "the points of holes are numbered along the last axis first",
             '.ravel(order="F")', ".ravel()", "persistence/test_merge_tree.py"),
    Mutation("persistence/holes", "a hole around points outside is filled",
             "(deaths >= 0) & np.isfinite(flat[deaths])", "(deaths >= 0)", "persistence/test_merge_tree.py"),
    Mutation("persistence/sizes", "the saddle counts as a part of the region below it",
             "np.searchsorted(rising, level)", 'np.searchsorted(rising, level, "right")',
             "persistence/test_merge_tree.py"),
    Mutation("persistence/topology", "an infinite loss is as high as the highest finite one",
             "found[~np.isfinite(values.measures[measure])]", "found[np.isnan(values.measures[measure])]",
             "results/test_topology.py"),
    Mutation("persistence/band", "the band covers each point alone, not all points at once",
             "max(int((known & (error > 0)).sum()), 1)", "1", "persistence/test_band.py"),
    Mutation("persistence/band", "errors in log10 use the natural logarithm",
             "np.where(at, values.measures[measure], 1.0) / math.log(10)",
             "np.where(at, values.measures[measure], 1.0)", "persistence/test_band.py"),
    Mutation("persistence/distances", "features that never end cost nothing", "float(moved.max(initial=0.0))", "0.0",
             "reports/test_topology_report.py"),
]  # fmt: skip


def listed() -> str:
    """The mutations as a table in Markdown."""
    rows = [
        f"| {k} | `{mutation.file}.py` | {mutation.defect} | `{mutation.tests}` |"
        for k, mutation in enumerate(MUTATIONS, 1)
    ]
    return "\n".join(["| | in | defect | noticed by |", "|---|---|---|---|", *rows])


def noticed(mutation: Mutation) -> bool:
    """Whether the tests fail on a copy of the project that has the defect.

    Raises:
        RuntimeError: When they cannot be run at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        module = copy / "fastscape" / f"{mutation.file}.py"
        module.write_text(module.read_text().replace(mutation.before, mutation.after))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{mutation.tests}"]
        environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"{mutation.tests} could not be run:\n{run.stdout}\n{run.stderr}")
    return run.returncode == 1


def main(numbers: list[int]) -> int:
    """Tries mutations, all by default, and prints which were noticed."""
    missed = 0
    for k, mutation in enumerate(MUTATIONS, 1):
        if numbers and k not in numbers:
            continue
        found = noticed(mutation)
        missed += not found
        print(f"{k:3} {'noticed' if found else 'MISSED':8} {mutation.file}: {mutation.defect}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main([int(number) for number in sys.argv[1:]]))
