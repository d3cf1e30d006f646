"use strict";

// The paths of a landscape, for example of trainings, with their steps and measures. Does not access the page.
const trainings = (() => {
  const KINDS = { steps: "steps", off_plane: "offPlane", loss: "loss", height: "height" };

  /** A path with decoded columns; null for columns that are not known. */
  function prepared(name, places, known) {
    const path = { name, places, names: known.names, look: known.look, counted: known.counted, last: places.length - 1 };
    for (const [theirs, ours] of Object.entries(KINDS)) path[ours] = known[theirs] === null ? null : walking.decoded(known[theirs]);
    path.measures = known.measures.map(([measure, column]) => [measure, walking.decoded(column)]);
    return path;
  }

  /** The unit of the moments of paths: steps, or points if steps are unknown. */
  function kind(paths) {
    return Array.from(new Set(paths.filter(({ steps }) => steps !== null).map(({ counted }) => counted))).sort().reverse().join(" or ");
  }

  /** All steps of all paths, each once, in increasing order. */
  function moments(paths) {
    const all = new Set(paths.flatMap(({ steps }) => Array.from(steps ?? [])));
    return Float64Array.from(all).sort();
  }

  /** The index of the last point that a path has reached at a step; -1 before its first point. A path without steps is always whole. */
  function reached({ steps, places }, step) {
    return steps === null ? places.length - 1 : steps.findLastIndex((one) => one <= step);
  }

  /** A colour of a path, at a fraction of the way from the colour of the first step to the colour of the last. */
  function coloured([first, last], fraction) {
    const channel = (colour, c) => parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
    return `rgb(${[0, 1, 2].map((c) => Math.round(channel(first, c) * (1 - fraction) + channel(last, c) * fraction)).join(",")})`;
  }

  /** The colour of every point of a path; low and high are the first and the last step of all paths. */
  function colours({ steps, look, places }, [low, high]) {
    const share = (step) => Math.min(Math.max((step / 2 - low / 2) / (high / 2 - low / 2 || 1), 0), 1);
    return places.map((_, k) => coloured(look, steps === null ? 1 : share(steps[k])));
  }

  /** The known facts of a point of a path as texts; shown: formats a number. */
  function said({ steps, counted, measures, loss, height, offPlane }, k, shown) {
    const known = (column) => column !== null && !Number.isNaN(column[k]);
    const others = measures.filter(([, column]) => known(column));
    const [epoch, rest] = [others.filter(([name]) => name === "epoch"), others.filter(([name]) => name !== "epoch")];
    return [
      steps === null ? `point ${k}` : `${counted} ${shown(steps[k])}`,
      ...epoch.map(([, column]) => `epoch ${shown(column[k])}`),
      ...(known(loss) ? [`own loss ${shown(loss[k])}`] : []),
      ...(known(height) ? [`loss of the plane ${shown(height[k])}`] : []),
      ...(known(offPlane) ? [`${shown(offPlane[k])} off the plane`] : []),
      ...rest.map(([name, column]) => `recorded ${name} ${shown(column[k])}`),
    ];
  }

  return { colours, kind, moments, prepared, reached, said };
})();
