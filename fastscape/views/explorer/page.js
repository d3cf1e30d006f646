"use strict";

// The controls of the page and what follows from them: walk.js walks, scene.js draws.
const explorer = (() => {
  const ADAPTIVE = ["adam", "nadam"]; // those that have betas
  const ENDED = {
    steps: "",
    border: ", stopped at the border",
    hole: ", stopped at a hole",
    "not finite": ", stopped because the next step is infinite",
  };

  const GLIDE = 250; // milliseconds between two looks at a camera that may still move
  const GLIDES = 4; // looks that must find it at rest: a slow machine draws less than one picture in between

  const element = (id) => document.getElementById(id);
  const { shown } = scenes;
  const listed = Array.from(JSON.parse(element("landscapes").textContent), prepared);
  const metrics = [...listed[0].values.keys()].filter((name) => listed.every((map) => map.values.has(name)));
  let scale = null; // of the heights of all maps

  /** A landscape with its arrays read and its place on the page made. */
  function prepared({ name, said, evaluated, x, y, marks, paths, labels, values }) {
    const map = { name, said: new Map(said), marks, paths, labels, driven: 0, x: walking.decoded(x), y: walking.decoded(y) };
    map.evaluated = evaluated === null ? null : walking.decoded(evaluated); // the numbers of these points
    map.values = new Map(values.map(([metric, text]) => [metric, walking.decoded(text)]));
    map.facts = new Map(Array.from(map.values, ([metric, found]) => [metric, walking.facts(found)]));
    const figure = element("pictures").appendChild(document.createElement("figure"));
    const add = (tag, className, textContent = "") =>
      figure.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
    add("figcaption", "name", name);
    map.div = add("div", "plot");
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
    for (const name of ["x", "y"]) {
      const low = Math.max(...listed.map((map) => map[name][0]));
      const high = Math.min(...listed.map((map) => map[name][map[name].length - 1]));
      const start = 0.85; // off the middle, where the model is, and seen by the camera
      const step = ((high - low) / 400) * (1 - 1e-12); // rounded up, the last one would lie beyond the border
      Object.assign(element(name), { min: low, max: high, step, value: low + start * (high - low) });
    }
    for (const name of metrics) element("metric").add(new Option(name, name));
    element("metric").closest("label").hidden = metrics.length < 2;
    element("evaluated").closest("label").hidden = listed.every((map) => map.evaluated === null);
    offerLog();
  }

  /** Offers the log scale where the metric has one, and chooses it for losses. */
  function offerLog() {
    const metric = element("metric").value;
    const possible = listed.every((map) => walking.hasLog(map.facts.get(metric)));
    element("log").disabled = !possible;
    element("log").checked = possible && metric === "loss";
  }

  /** New heights for every map, on one scale, and their pictures. */
  function redraw() {
    const metric = element("metric").value;
    const log = element("log").checked;
    for (const map of listed) {
      map.heights = walking.heights(map.values.get(metric), map.facts.get(metric), log);
      map.smooth = new walking.Smooth(map.x, map.y, map.heights);
      const { missing, infinite } = map.facts.get(metric);
      const points = `of ${map.heights.length} points`;
      map.dotted = element("evaluated").checked;
      map.note.textContent = [
        map.said.get(metric) ? `${map.said.get(metric)}.` : "",
        missing ? `${missing} ${points} have no value and are left out.` : "",
        Math.max(map.x.length, map.y.length) > scenes.MOST.surface + 1
          ? "The picture leaves out grid points that no screen could show; the walk uses all of them."
          : "",
        infinite ? `${infinite} ${points} are infinite and drawn at the largest or smallest value.` : "",
      ].join(" ");
    }
    const ends = listed.map((map) => walking.facts(map.heights));
    const [low, high] = [Math.min(...ends.map((end) => end.low)), Math.max(...ends.map((end) => end.high))];
    scale = { low, high, height: high - low || 1, label: log ? `log10 ${metric}` : metric };
    // Without a complete set of numbers there is no walk to draw; one on other heights would be wrong.
    if (!walk()) for (const map of listed) map.walk = { x: [], y: [], height: [], ended: "no start" };
    return Promise.all(listed.map((map) => scenes.draw(map.div, map, scale, number("rotation"))));
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
    if (walk()) for (const map of listed) scenes.moveLine(map.div, map.walk, scale);
  }

  /** A walk in words. */
  function told({ x, y, height, ended }) {
    if (ended === "no start") return "The start has no value near it; move it.";
    const last = x.length - 1;
    const to = `(${shown(x[last])}, ${shown(y[last])})`;
    return `${last} step${last === 1 ? "" : "s"} to ${to}, ${scale.label} ${shown(height[0])} to ${shown(height[last])}${ENDED[ended]}`;
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

  /** The number of the grid point next to a coordinate. */
  function nearest(t, at) {
    return t.reduce((best, coordinate, k) => (Math.abs(coordinate - at) < Math.abs(t[best] - at) ? k : best), 0);
  }

  /** Shows the values at a grid point: of the loss and of every metric, as they are. */
  function read(map, i, j, where = "") {
    const at = Array.from(map.values, ([name, values]) => `${name} ${shown(values[i * map.y.length + j])}`);
    map.pointed.textContent = where + [`x ${shown(map.x[i])}`, `y ${shown(map.y[j])}`, ...at].join(", ");
  }

  /** Shows the values under the pointer. */
  function point(map, { points: [{ data, x, y }] }) {
    if (data.type === "surface") read(map, nearest(map.x, x), nearest(map.y, y));
  }

  /** Does something once before the next picture, however often it is asked for. */
  function soon(action) {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        action();
      });
    };
  }

  function listen() {
    for (const id of ["x", "y", "steps", "optimizer", "lr", "beta1", "beta2"]) {
      element(id).addEventListener("input", soon(moveWalks));
    }
    element("rotation").addEventListener("input", soon(turn));
    for (const id of ["log", "evaluated"]) element(id).addEventListener("input", soon(redraw));
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
