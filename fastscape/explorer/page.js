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

  const element = (id) => document.getElementById(id);
  const { shown } = scenes;
  const listed = Array.from(JSON.parse(element("landscapes").textContent), prepared);
  const metrics = Object.keys(listed[0].values).filter((name) => listed.every((map) => name in map.values));
  let scale = null; // of the heights of all maps
  let following = false; // whether the cameras move because one of them was moved

  /** A landscape with its arrays read and its place on the page made. */
  function prepared({ name, x, y, marks, values }) {
    const map = { name, marks, x: walking.decoded(x), y: walking.decoded(y), values: {}, facts: {} };
    for (const [metric, text] of Object.entries(values)) {
      map.values[metric] = walking.decoded(text);
      map.facts[metric] = walking.facts(map.values[metric]);
    }
    const figure = element("pictures").appendChild(document.createElement("figure"));
    const add = (tag, className, textContent = "") =>
      figure.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
    add("figcaption", "name", name);
    map.div = add("div", "plot");
    map.told = add("p", "walk");
    map.told.setAttribute("aria-live", "polite");
    map.pointed = add("p", "pointed", "Point at the surface to read its values.");
    map.note = add("p", "note");
    return map;
  }

  /** The number that a control holds, or null when it is none or out of bounds. */
  function number(id) {
    const { value, valueAsNumber } = element(id);
    return value !== "" && element(id).checkValidity() ? valueAsNumber : null;
  }

  /** Ranges of the controls, from the landscapes. */
  function prepareControls() {
    for (const name of ["x", "y"]) {
      const low = Math.max(...listed.map((map) => map[name][0]));
      const high = Math.min(...listed.map((map) => map[name][map[name].length - 1]));
      const start = name === "x" ? 0.85 : 0.2; // off the middle, where the model is
      Object.assign(element(name), { min: low, max: high, step: (high - low) / 400, value: low + start * (high - low) });
    }
    for (const name of metrics) element("metric").add(new Option(name, name));
    element("metric").closest("label").hidden = metrics.length < 2;
    offerLog(true);
  }

  /** Offers the log scale where the metric has one, and chooses it for losses. */
  function offerLog(choose) {
    const metric = element("metric").value;
    const possible = listed.every((map) => walking.hasLog(map.facts[metric]));
    element("log").disabled = !possible;
    element("log").checked = possible && (choose ? metric === "loss" : element("log").checked);
  }

  /** New heights for every map, on one scale, and their pictures. */
  function redraw() {
    const metric = element("metric").value;
    const log = element("log").checked;
    for (const map of listed) {
      map.heights = walking.heights(map.values[metric], map.facts[metric], log);
      map.smooth = new walking.Smooth(map.x, map.y, map.heights);
      const { missing, infinite } = map.facts[metric];
      const points = `of ${map.heights.length} points`;
      map.note.textContent = [
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
    walk();
    return Promise.all(listed.map((map) => scenes.draw(map.div, map, scale, number("rotation"))));
  }

  /** Walks with what the controls say, and tells it. Returns whether there is something new to draw. */
  function walk() {
    const [x, y, steps, lr, beta1, beta2] = ["x", "y", "steps", "lr", "beta1", "beta2"].map(number);
    const optimizer = element("optimizer").value;
    const adaptive = ADAPTIVE.includes(optimizer);
    for (const id of ["beta1", "beta2"]) element(id).disabled = !adaptive;
    for (const [id, value] of Object.entries({ x, y, steps })) element(`${id}-shown`).value = shown(value);
    const complete = ![lr, beta1, beta2].includes(null);
    for (const map of listed) {
      if (complete) map.walk = walking.descend(map.smooth, [x, y], optimizer, steps, { lr, betas: [beta1, beta2] });
      map.told.textContent = complete ? told(map.walk) : "A number is missing or out of its bounds; correct it to walk.";
    }
    const betas = adaptive ? `, betas=(${beta1}, ${beta2})` : "";
    const way = `, metric="${element("metric").value}", log=${element("log").checked ? "True" : "False"}`;
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
    return `${last} steps to ${to}, ${scale.label} ${shown(height[0])} to ${shown(height[last])}${ENDED[ended]}`;
  }

  /** Turns every camera to the angle of the slider. */
  function turn() {
    const degrees = number("rotation");
    element("rotation-shown").value = `${Math.round(degrees)}°`;
    follow(listed, (map) => scenes.turned(degrees, map.div.layout.scene.camera));
  }

  async function follow(maps, cameraOf) {
    following = true;
    await Promise.all(maps.map((map) => Plotly.relayout(map.div, { "scene.camera": cameraOf(map) })));
    following = false;
  }

  /** Lets the other cameras and the slider follow a camera that was moved by hand. */
  function moved(map, changes) {
    const camera = changes["scene.camera"];
    if (!camera || following) return;
    element("rotation").value = scenes.angleOf(camera);
    element("rotation-shown").value = `${Math.round(scenes.angleOf(camera))}°`;
    follow(listed.filter((other) => other !== map), () => camera);
  }

  /** Shows the values under the pointer: of the loss and of every metric, as they are. */
  function point(map, { points: [{ data, pointNumber }] }) {
    if (data.type !== "surface") return;
    const [i, j] = [map.x.indexOf(data.x[pointNumber[1]]), map.y.indexOf(data.y[pointNumber[0]])];
    const at = Object.entries(map.values).map(([name, values]) => `${name} ${shown(values[i * map.y.length + j])}`);
    map.pointed.textContent = [`x ${shown(map.x[i])}`, `y ${shown(map.y[j])}`, ...at].join(", ");
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
    element("log").addEventListener("input", soon(redraw));
    element("metric").addEventListener("input", soon(() => {
      offerLog(true);
      redraw();
    }));
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    for (const map of listed) {
      map.div.on("plotly_relayouting", (changes) => moved(map, changes));
      map.div.on("plotly_relayout", (changes) => moved(map, changes));
      map.div.on("plotly_hover", (event) => point(map, event));
    }
  }

  prepareControls();
  const ready = redraw().then(listen);
  element("rotation-shown").value = `${number("rotation")}°`;
  return { maps: listed, ready };
})();
