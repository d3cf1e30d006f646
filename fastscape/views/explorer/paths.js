"use strict";

// What is known of the paths that a landscape carries, for example those of trainings, and of their steps. Knows no page.
const trainings = (() => {
  const KINDS = { steps: "steps", off_plane: "offPlane", loss: "loss", height: "height" };

  /** A path of the page, with its columns read: null for what is not known of its points. */
  function prepared(name, places, known) {
    const path = { name, places, names: known.names, look: known.look, counted: known.counted, last: places.length - 1 };
    for (const [theirs, ours] of Object.entries(KINDS)) path[ours] = known[theirs] === null ? null : walking.decoded(known[theirs]);
    path.measures = known.measures.map(([measure, column]) => [measure, walking.decoded(column)]);
    return path;
  }

  /** What the moments of paths are: steps, or the numbers of points where steps are unknown. */
  function kind(paths) {
    return Array.from(new Set(paths.filter(({ steps }) => steps !== null).map(({ counted }) => counted))).sort().reverse().join(" or ");
  }

  /** Every step that one of the paths has, once and rising. */
  function moments(paths) {
    const all = new Set(paths.flatMap(({ steps }) => Array.from(steps ?? [])));
    return Float64Array.from(all).sort();
  }

  /** The number of the last point that a path has reached at a step; -1 before the first. A path without steps is whole. */
  function reached({ steps, places }, step) {
    return steps === null ? places.length - 1 : steps.findLastIndex((one) => one <= step);
  }

  /** A colour of a path: a fraction of the way from that of the first step to that of the last. */
  function coloured([first, last], fraction) {
    const channel = (colour, c) => parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
    return `rgb(${[0, 1, 2].map((c) => Math.round(channel(first, c) * (1 - fraction) + channel(last, c) * fraction)).join(",")})`;
  }

  /** The colour of every point of a path, whose steps lie between those of all paths. */
  function colours({ steps, look, places }, [low, high]) {
    const share = (step) => Math.min(Math.max((step / 2 - low / 2) / (high / 2 - low / 2 || 1), 0), 1);
    return places.map((_, k) => coloured(look, steps === null ? 1 : share(steps[k])));
  }

  /** What is known of a point of a path, in words; shown: writes a number. */
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
