"use strict";

// Handles the controls of the page of planes: walk.js walks, paths.js has the trainings, scene.js draws.
const explorer = (() => {
  const ADAPTIVE = ["adam", "nadam"]; // optimizers with betas
  const ENDED = {
    steps: "",
    border: ", stopped at the border",
    hole: ", stopped at a hole",
    "not finite": ", stopped because the next step is infinite",
  };

  const STARTS = [[0.15, 0.85], [0.85, 0.85], [0.15, 0.15]]; // possible starts of a walk; the rim of the near side would hide a walk there
  const DEGREES = 300; // the first angle of the camera
  const ROOM = 1.05; // the height of a picture, in units of the surface's height
  const HIGHEST = 1.35; // the largest height of a picture with own losses above the surface, in the same units

  const GLIDE = 250; // milliseconds between two checks of a camera that may still move
  const GLIDES = 4; // checks that must find the camera at rest: a slow machine may not draw a frame between two checks

  const { LETTERS, cleaned, nearest, notDrawn, rounded, scaled, shown, soon, unitOf } = texts;
  const { drive, element } = maps;
  const listed = maps.listed(prepared);
  const moments = trainings.moments(listed.flatMap((map) => map.paths)); // the steps that the slider selects from
  let scale = null; // the common scale of the heights of all maps

  /** The further data of a plane: its axes, their units, and the evaluated points. */
  function prepared({ evaluated, x, y }) {
    const axes = { x: walking.decoded(x), y: walking.decoded(y) };
    return { ...axes, units: [axes.x, axes.y].map(unitOf), evaluated: evaluated === null ? null : walking.decoded(evaluated) };
  }

  /** The number in a control; null if it is missing or out of bounds. */
  function number(id) {
    const { type, value, valueAsNumber } = element(id);
    // A slider always has a number in its range, also if a rounded step makes browsers call it invalid.
    return type === "range" || (value !== "" && element(id).checkValidity()) ? valueAsNumber : null;
  }

  /** Sets the ranges of the controls from the landscapes. */
  function prepareControls() {
    const start = highest(listed[0]);
    for (const [k, name] of ["x", "y"].entries()) {
      element(name).labels[0].firstChild.textContent = `${listed[0].names[k]} `;
      const low = Math.max(...listed.map((map) => map[name][0]));
      const high = Math.min(...listed.map((map) => map[name].at(-1)));
      // Few digits, and rounded down, so that the last step is not beyond the border. An axis of 1e-320 has no such step.
      const step = Number((((high - low) / 400) * (1 - 1e-12)).toPrecision(12)) || "any";
      Object.assign(element(name), { min: low, max: high, step, value: low + start[k] * (high - low) });
    }
    // A twentieth of the shorter axis, so that the first walk stays on the map.
    const spans = ["x", "y"].map((id) => Number(element(id).max) - Number(element(id).min));
    element("lr").value = Number((Math.min(...spans) / 20).toPrecision(1)) || 0.1;
    element("training").hidden = moments.length < 2;
    if (moments.length > 1) element("steps").value = 0; // the walk would hide the training
    Object.assign(element("moment"), { min: 0, max: Math.max(moments.length - 1, 1), step: 1, value: moments.length - 1 });
    listed.forEach(explain);
    maps.offer(listed, ["evaluated", "basins"]);
  }

  /** The first start of a walk: the place with the highest loss among STARTS, as fractions of the axes. */
  function highest({ x, y, values }) {
    const [first] = values.values();
    const at = (t, share) => nearest(t, t[0] * (1 - share) + t.at(-1) * share);
    const found = STARTS.map(([a, b]) => first[at(x, a) * y.length + at(y, b)]);
    const finite = found.map((value) => (Number.isFinite(value) ? value : -Infinity));
    return STARTS[finite.indexOf(Math.max(...finite))];
  }

  /** Writes the key to the colours of paths below a picture. */
  function explain(map) {
    const known = map.paths.filter(({ steps }) => steps !== null);
    for (const { name, look, steps } of map.paths) {
      const colours = steps === null ? [look[1], look[1]] : look;
      const key = map.keys.appendChild(document.createElement("span"));
      const swatch = key.appendChild(Object.assign(document.createElement("span"), { className: "swatch" }));
      swatch.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
      key.append(cleaned(name, LETTERS.name));
      key.title = name;
    }
    if (!map.paths.length) return;
    const own = trainings.moments(map.paths);
    const steps = known.length ? `colours: ${trainings.kind(known)} ${shown(own[0])} to ${shown(own.at(-1))}; ` : "";
    const losses = map.paths.some(({ loss }) => loss !== null) ? "; diamonds on stems: own losses of the checkpoints" : "";
    map.keys.append(`${steps}hollow ring: start${losses}`);
  }

  /** Sets new heights for every map, on one scale, and draws them. */
  function redraw() {
    scale = maps.scaled(listed);
    const { metric, log } = scale;
    for (const map of listed) {
      map.smooth = new walking.Smooth(map.x, map.y, map.heights);
      map.dotted = element("evaluated").checked;
      map.outlined = element("basins").checked;
    }
    scale.top = scale.low + ROOM * scale.height; // withoutRoom raises it for own losses of checkpoints
    for (const map of listed) {
      const { missing, infinite } = map.facts.get(metric);
      const points = `of ${map.heights.length} points`;
      map.note.textContent = [
        map.said.get(metric) ? `${map.said.get(metric)}.` : "",
        map.basins?.about ?? "",
        missing ? `${missing} ${points} have no value and are left out.` : "",
        Math.max(map.x.length, map.y.length) > scenes.MOST.surface + 1
          ? "The picture leaves out grid points that are too fine for a screen; the walk uses all grid points."
          : "",
        infinite ? `${infinite} ${points} are infinite and drawn at the largest or smallest value.` : "",
        notDrawn([...map.leftOut, ...withoutHeight(map), ...withoutRoom(map, metric, log)]),
      ].filter(Boolean).join(" ");
    }
    train();
    // With a number missing there is no walk to draw; the previous walk is on different heights and would be wrong.
    if (!walk()) for (const map of listed) map.walk = { x: [], y: [], height: [], ended: "no start" };
    return Promise.all(listed.map((map) => scenes.draw(map.div, map, scale, number("rotation"))));
  }

  /** Sets the height of every mark and every point of a path, or null; returns the parts without a height, with the reason. */
  function withoutHeight(map) {
    const height = ([x, y]) => {
      const inside = x !== null && map.x[0] <= x && x <= map.x.at(-1) && map.y[0] <= y && y <= map.y.at(-1);
      const found = inside ? map.smooth.at(x, y)[0] : NaN;
      return { inside, found: Number.isFinite(found) ? found : null };
    };
    const lost = [];
    for (const mark of map.marks) {
      mark.height = height(mark.at).found;
      if (mark.height === null) lost.push([`the mark "${cleaned(mark.name, LETTERS.name)}"`, "no value near"]);
    }
    for (const path of map.paths) {
      const heights = path.places.map(height);
      path.points = path.places.map((at, k) => [...at, heights[k].found]);
      const count = heights.filter(({ inside, found }) => inside && found === null).length;
      const points = `${count} of ${heights.length} points of the path "${cleaned(path.name, LETTERS.name)}"`;
      if (count) lost.push([points, "no value near"]);
    }
    return lost;
  }

  /** Sets the height of every checkpoint's own loss, or null; returns the own losses that are beyond the picture. */
  function withoutRoom(map, metric, log) {
    const [low, high] = [scenes.floorOf(scale), scale.low + HIGHEST * scale.height].map((height) => scaled(height, -scale.unit));
    return map.paths.flatMap((path) => {
      const known = metric === "loss" && path.loss !== null;
      const found = path.places.map((_, k) => (known && Number.isFinite(path.loss[k]) ? path.loss[k] : NaN));
      const heights = found.map((loss) => (log ? Math.log10(loss === 0 ? map.facts.get(metric).positive : loss) : loss));
      path.own = heights.map((height) => (low <= height && height <= high ? height : null));
      const tallest = Math.max(...path.own.filter((height) => height !== null)) + 0.05 * (high - low);
      scale.top = Math.max(scale.top, scaled(tallest, scale.unit));
      const lost = found.filter((loss, k) => !Number.isNaN(loss) && path.own[k] === null).length;
      const said = `${lost} ${lost === 1 ? "loss" : "losses"} of the path "${cleaned(path.name, LETTERS.name)}"`;
      return lost ? [[said, "above or below the picture"]] : [];
    });
  }

  /** Sets the last point of every path to the step of the slider, and writes the facts of this point. */
  function train() {
    const step = moments[number("moment")] ?? Infinity;
    element("moment-shown").value = moments.length ? `${trainings.kind(listed.flatMap((map) => map.paths))} ${shown(step)}` : "";
    for (const map of listed) {
      for (const path of map.paths) path.last = trainings.reached(path, step);
      map.trained.textContent = map.paths.filter(({ last, steps }) => last >= 0 && steps !== null).map((path) => {
        const known = trainings.said(path, path.last, shown).map((one) => cleaned(one, LETTERS.caption));
        return `${cleaned(path.name, LETTERS.name)}: ${known.join(", ")}`;
      }).join("; ");
    }
  }

  /** Updates the paths of all maps to the step of the slider. */
  function moveTraining() {
    train();
    for (const map of listed) scenes.movePaths(map, scale);
  }

  /** Walks with the settings of the controls, and writes the result. Returns whether there is a new walk to draw. */
  function walk() {
    const [steps, lr, beta1, beta2] = ["steps", "lr", "beta1", "beta2"].map(number);
    // The walk starts at the rounded coordinates of the Python call.
    const [x, y] = ["x", "y"].map((id) => rounded(number(id), Number(element(id).min), Number(element(id).max)));
    const optimizer = element("optimizer").value;
    const adaptive = ADAPTIVE.includes(optimizer);
    for (const id of ["beta1", "beta2"]) element(id).disabled = !adaptive;
    for (const [id, value] of Object.entries({ x, y, steps })) element(`${id}-shown`).value = shown(value);
    const complete = ![lr, ...(adaptive ? [beta1, beta2] : [])].includes(null);
    for (const map of listed) {
      if (complete) map.walk = walking.descend(map.smooth, [x, y], optimizer, steps, { lr, betas: [beta1, beta2] });
      read(map, nearest(map.x, x), nearest(map.y, y), "nearest grid point: ");
      map.told.textContent = complete ? told(map.walk) : "A number is missing or out of bounds; correct it to walk.";
    }
    const betas = adaptive ? `, betas=(${beta1}, ${beta2})` : "";
    const way = `, metric=${JSON.stringify(element("metric").value)}, log=${element("log").checked ? "True" : "False"}`;
    element("call").textContent = complete
      ? `landscape.descend((${x}, ${y}), "${optimizer}", ${steps}, lr=${lr}${betas}${way})`
      : "";
    return complete;
  }

  /** Updates the walks of all maps. */
  function moveWalks() {
    if (walk()) for (const map of listed) scenes.moveLine(map, scale);
  }

  /** The description of a walk. */
  function told({ x, y, height, ended }) {
    if (ended === "no start") return "The start has no value near it; move it.";
    const last = x.length - 1;
    const to = `(${shown(x[last])}, ${shown(y[last])})`;
    const metric = cleaned(scale.metric, LETTERS.name);
    const [from, until] = [height[0], height[last]].map((at) => shown(scale.log ? 10 ** at : at)); // values, as under the pointer
    if (!last && ended === "steps") return `start of a walk: ${to}, ${metric} ${from}`;
    return `${last} step${last === 1 ? "" : "s"} to ${to}, ${metric} from ${from} to ${until}${ENDED[ended]}`;
  }

  /** Turns every camera to the angle of the slider. */
  function turn() {
    const degrees = number("rotation");
    element("rotation-shown").value = `${Math.round(degrees)}°`;
    for (const map of listed) drive(map, scenes.turned(degrees, scenes.cameraOf(map.div)));
  }

  /** Moves the other cameras and the slider along with a camera that the user moved. */
  function moved(map) {
    if (map.driven) return;
    const camera = scenes.cameraOf(map.div);
    element("rotation").value = scenes.angleOf(camera);
    element("rotation-shown").value = `${Math.round(scenes.angleOf(camera))}°`;
    maps.follow(listed, map);
    glide(map, camera, GLIDES);
  }

  /** A camera keeps moving after the last event of plotly: checks again until it is at rest. */
  function glide(map, before, looks) {
    clearTimeout(map.gliding);
    map.gliding = setTimeout(() => {
      const after = scenes.cameraOf(map.div);
      if (JSON.stringify(after) !== JSON.stringify(before)) moved(map);
      else if (looks > 1) glide(map, after, looks - 1);
    }, GLIDE);
  }

  /** Writes the values of the loss and of all metrics at a grid point. */
  function read(map, i, j, where = "") {
    const at = Array.from(map.values, ([name, values]) => `${cleaned(name, LETTERS.name)} ${shown(values[i * map.y.length + j])}`);
    map.pointed.textContent = where + [`${map.names[0]} ${shown(map.x[i])}`, `${map.names[1]} ${shown(map.y[j])}`, ...at, ...basins.said(map, i * map.y.length + j)].join(", ");
  }

  /** Writes the values under the pointer. */
  function point(map, { points: [{ data, x, y }] }) {
    const number = (t, at, unit) => nearest(t.map((coordinate) => scaled(coordinate, unit)), at);
    if (data.type === "surface") read(map, number(map.x, x, map.units[0]), number(map.y, y, map.units[1]));
  }

  function listen() {
    for (const id of ["x", "y", "steps", "optimizer", "lr", "beta1", "beta2"]) {
      element(id).addEventListener("input", soon(moveWalks));
    }
    element("moment").addEventListener("input", soon(moveTraining));
    element("rotation").addEventListener("input", soon(turn));
    // plotly sends no event when a finger turns the picture, and reports a touch as a click.
    for (const map of listed) for (const event of ["touchmove", "touchend"]) map.div.addEventListener(event, soon(() => moved(map)));
    maps.listen(listed, { redraw, switches: ["evaluated", "basins"], moved, point, camera: (map) => scenes.first(map, DEGREES) });
  }

  prepareControls();
  element("rotation").value = DEGREES;
  const ready = plotlyReady.then(redraw).then(listen);
  element("rotation-shown").value = `${number("rotation")}°`;
  return { maps: listed, ready };
})();
