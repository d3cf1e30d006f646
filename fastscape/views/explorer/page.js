"use strict";

// The controls of the page and what follows from them: walk.js walks, paths.js knows the trainings, scene.js draws.
const explorer = (() => {
  const ADAPTIVE = ["adam", "nadam"]; // those that have betas
  const ENDED = {
    steps: "",
    border: ", stopped at the border",
    hole: ", stopped at a hole",
    "not finite": ", stopped because the next step is infinite",
  };

  const ROOM = 1.05; // the height of a picture, in units of that of the surface
  const HIGHEST = 1.35; // likewise, where checkpoints have losses above it

  const GLIDE = 250; // milliseconds between two looks at a camera that may still move
  const GLIDES = 4; // looks that must find it at rest: a slow machine draws less than one picture in between

  const element = (id) => document.getElementById(id);
  const { LETTERS, cleaned, nearest, notDrawn, scaled, shown, soon, unitOf } = texts;
  const listed = Array.from(JSON.parse(element("landscapes").textContent), prepared);
  const metrics = [...listed[0].values.keys()].filter((name) => listed.every((map) => map.values.has(name)));
  const moments = trainings.moments(listed.flatMap((map) => map.paths)); // steps, of which the slider chooses one
  let scale = null; // of the heights of all maps

  /** A landscape with its arrays read and its place on the page made. */
  function prepared({ name, said, evaluated, axes, x, y, marks, paths, known, spans, labels, values, basins: found, left_out: leftOut }) {
    const map = { name, names: axes, said: new Map(said), labels, leftOut, spans, driven: 0, x: walking.decoded(x), y: walking.decoded(y) };
    map.marks = marks.map(([called, at]) => ({ name: called, at }));
    map.paths = paths.map(([called, points], k) => trainings.prepared(called, points, known[k]));
    map.units = [map.x, map.y].map(unitOf);
    map.basins = basins.prepared(found);
    map.evaluated = evaluated === null ? null : walking.decoded(evaluated); // the numbers of these points
    map.values = new Map(values.map(([metric, text]) => [metric, walking.decoded(text)]));
    map.facts = new Map(Array.from(map.values, ([metric, found]) => [metric, walking.facts(found)]));
    const figure = element("pictures").appendChild(document.createElement("figure"));
    const add = (tag, className, textContent = "") =>
      figure.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
    add("figcaption", "name", cleaned(name, LETTERS.caption)).title = name;
    map.div = add("div", "plot");
    map.keys = add("p", "keys");
    map.trained = add("p", "trained");
    map.trained.setAttribute("aria-live", "polite");
    map.told = add("p", "walk");
    map.told.setAttribute("aria-live", "polite");
    map.pointed = add("p", "pointed");
    map.note = add("p", "note");
    return map;
  }

  /** The number that a control holds, or null when it is none or out of bounds. */
  function number(id) {
    const { type, value, valueAsNumber } = element(id);
    // A slider holds a number in its range, whatever the rounding of its step makes browsers say.
    return type === "range" || (value !== "" && element(id).checkValidity()) ? valueAsNumber : null;
  }

  /** Ranges of the controls, from the landscapes. */
  function prepareControls() {
    for (const [k, name] of ["x", "y"].entries()) {
      element(name).labels[0].firstChild.textContent = `${listed[0].names[k]} `;
      const low = Math.max(...listed.map((map) => map[name][0]));
      const high = Math.min(...listed.map((map) => map[name][map[name].length - 1]));
      const start = 0.85; // off the middle, where the model is, and seen by the camera
      // Rounded up, the last step would lie beyond the border; on an axis of 1e-320 there is none that is a number.
      const step = ((high - low) / 400) * (1 - 1e-12) || "any";
      Object.assign(element(name), { min: low, max: high, step, value: low + start * (high - low) });
    }
    for (const name of metrics) element("metric").add(Object.assign(new Option(cleaned(name, LETTERS.name), name), { title: cleaned(name, LETTERS.caption) }));
    element("metric").closest("label").hidden = metrics.length < 2;
    element("evaluated").closest("label").hidden = listed.every((map) => map.evaluated === null);
    element("basins").closest("label").hidden = listed.every((map) => map.basins === null);
    element("training").hidden = moments.length < 2;
    if (moments.length > 1) element("steps").value = 0; // the walk would hide the training
    Object.assign(element("moment"), { min: 0, max: Math.max(moments.length - 1, 1), step: 1, value: moments.length - 1 });
    listed.forEach(explain);
    offerLog();
  }

  /** Says below a picture which colours its paths have. */
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
    const losses = map.paths.some(({ loss }) => loss !== null) ? "; diamonds on stems: the losses of checkpoints themselves" : "";
    map.keys.append(`${steps}hollow ring: start${losses}`);
  }

  /** Offers the log scale where the metric has one, and chooses it for losses. */
  function offerLog() {
    const metric = element("metric").value;
    const possible = listed.every((map) => walking.hasLog(map.facts.get(metric)));
    element("log").disabled = !possible;
    element("log").checked = possible && (metric === "loss" || metric.startsWith("loss of "));
  }

  /** New heights for every map, on one scale, and their pictures. */
  function redraw() {
    const metric = element("metric").value;
    const log = element("log").checked;
    for (const map of listed) {
      map.heights = walking.heights(map.values.get(metric), map.facts.get(metric), log);
      map.smooth = new walking.Smooth(map.x, map.y, map.heights);
      map.dotted = element("evaluated").checked;
      map.outlined = element("basins").checked;
    }
    const ends = listed.map((map) => walking.facts(map.heights));
    const [low, high] = [Math.min(...ends.map((end) => end.low)), Math.max(...ends.map((end) => end.high))];
    scale = scenes.scaleOf(low, high, log ? `log10 ${metric}` : metric, walking.colourEnds(metric, low, high));
    scale.top = scale.low + ROOM * scale.height; // as far as there are losses of checkpoints
    for (const map of listed) {
      const { missing, infinite } = map.facts.get(metric);
      const points = `of ${map.heights.length} points`;
      map.note.textContent = [
        map.said.get(metric) ? `${map.said.get(metric)}.` : "",
        map.basins?.about ?? "",
        missing ? `${missing} ${points} have no value and are left out.` : "",
        Math.max(map.x.length, map.y.length) > scenes.MOST.surface + 1
          ? "The picture leaves out grid points that no screen could show; the walk uses all of them."
          : "",
        infinite ? `${infinite} ${points} are infinite and drawn at the largest or smallest value.` : "",
        notDrawn([...map.leftOut, ...withoutHeight(map), ...withoutRoom(map, metric, log)]),
      ].filter(Boolean).join(" ");
    }
    train();
    // Without a complete set of numbers there is no walk to draw; one on other heights would be wrong.
    if (!walk()) for (const map of listed) map.walk = { x: [], y: [], height: [], ended: "no start" };
    return Promise.all(listed.map((map) => scenes.draw(map.div, map, scale, number("rotation"))));
  }

  /** Gives every mark and every point of a path its height, or null; returns what has none, each with the reason. */
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

  /** Gives every checkpoint the height of its own loss, or null; returns for which paths there are such beyond the picture. */
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

  /** Lets every path reach the step of the slider, and says what is known there. */
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

  /** Draws the paths up to the step of the slider, on the maps that are drawn. */
  function moveTraining() {
    train();
    for (const map of listed) scenes.movePaths(map, scale);
  }

  /** Walks with what the controls say, and tells it. Returns whether there is something new to draw. */
  function walk() {
    const [x, y, steps, lr, beta1, beta2] = ["x", "y", "steps", "lr", "beta1", "beta2"].map(number);
    const optimizer = element("optimizer").value;
    const adaptive = ADAPTIVE.includes(optimizer);
    for (const id of ["beta1", "beta2"]) element(id).disabled = !adaptive;
    for (const [id, value] of Object.entries({ x, y, steps })) element(`${id}-shown`).value = shown(value);
    const complete = ![lr, ...(adaptive ? [beta1, beta2] : [])].includes(null);
    for (const map of listed) {
      if (complete) map.walk = walking.descend(map.smooth, [x, y], optimizer, steps, { lr, betas: [beta1, beta2] });
      read(map, nearest(map.x, x), nearest(map.y, y), "nearest grid point: ");
      map.told.textContent = complete ? told(map.walk) : "A number is missing or out of its bounds; correct it to walk.";
    }
    const betas = adaptive ? `, betas=(${beta1}, ${beta2})` : "";
    const way = `, metric=${JSON.stringify(element("metric").value)}, log=${element("log").checked ? "True" : "False"}`;
    element("call").textContent = complete
      ? `landscape.descend((${x}, ${y}), "${optimizer}", ${steps}, lr=${lr}${betas}${way})`
      : "";
    return complete;
  }

  /** Walks again, on the maps that are drawn. */
  function moveWalks() {
    if (walk()) for (const map of listed) scenes.moveLine(map, scale);
  }

  /** A walk in words. */
  function told({ x, y, height, ended }) {
    if (ended === "no start") return "The start has no value near it; move it.";
    const last = x.length - 1;
    const to = `(${shown(x[last])}, ${shown(y[last])})`;
    return `${last} step${last === 1 ? "" : "s"} to ${to}, ${cleaned(scale.label, LETTERS.name + 6)} ${shown(height[0])} to ${shown(height[last])}${ENDED[ended]}`;
  }

  /** Turns every camera to the angle of the slider. */
  function turn() {
    const degrees = number("rotation");
    element("rotation-shown").value = `${Math.round(degrees)}°`;
    for (const map of listed) drive(map, scenes.turned(degrees, scenes.cameraOf(map.div)));
  }

  /** Moves a camera; what plotly tells of it is no news. */
  async function drive(map, camera) {
    clearTimeout(map.gliding);
    map.driven++;
    try {
      await Plotly.relayout(map.div, { "scene.camera": structuredClone(camera) });
    } finally {
      map.driven--;
    }
  }

  /** Lets the other cameras and the slider follow a camera that was moved by hand. */
  function moved(map) {
    if (map.driven) return;
    const camera = scenes.cameraOf(map.div);
    element("rotation").value = scenes.angleOf(camera);
    element("rotation-shown").value = `${Math.round(scenes.angleOf(camera))}°`;
    for (const other of listed) if (other !== map) drive(other, camera);
    glide(map, camera, GLIDES);
  }

  /** A camera glides on after plotly has told of its last movement: looks again until it stands still. */
  function glide(map, before, looks) {
    clearTimeout(map.gliding);
    map.gliding = setTimeout(() => {
      const after = scenes.cameraOf(map.div);
      if (JSON.stringify(after) !== JSON.stringify(before)) moved(map);
      else if (looks > 1) glide(map, after, looks - 1);
    }, GLIDE);
  }

  /** Shows the values at a grid point: of the loss and of every metric, as they are. */
  function read(map, i, j, where = "") {
    const at = Array.from(map.values, ([name, values]) => `${cleaned(name, LETTERS.name)} ${shown(values[i * map.y.length + j])}`);
    map.pointed.textContent = where + [`${map.names[0]} ${shown(map.x[i])}`, `${map.names[1]} ${shown(map.y[j])}`, ...at, ...basins.said(map, i * map.y.length + j)].join(", ");
  }

  /** Shows the values under the pointer. */
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
    for (const id of ["log", "evaluated", "basins"]) element(id).addEventListener("input", soon(redraw));
    element("metric").addEventListener("input", soon(() => {
      offerLog();
      redraw();
    }));
    for (const map of listed) {
      for (const event of ["plotly_relayouting", "plotly_relayout"]) {
        map.div.on(event, (changes) => "scene.camera" in changes && moved(map));
      }
      // plotly tells of no finger that turns the picture, and calls its touch a click.
      for (const event of ["touchmove", "touchend"]) map.div.addEventListener(event, soon(() => moved(map)));
      for (const event of ["plotly_hover", "plotly_click"]) map.div.on(event, (found) => point(map, found));
    }
  }

  element("controls").addEventListener("submit", (event) => event.preventDefault());
  prepareControls();
  const ready = redraw().then(listen);
  element("rotation-shown").value = `${number("rotation")}°`;
  return { maps: listed, ready };
})();
