"use strict";

// The parts shared by both kinds of page: reads the landscapes, makes their places, offers measures, scales heights and
// turns cameras together. page.js and volume.js add surfaces, walks and levels.
const maps = (() => {
  const { LETTERS, cleaned } = texts;
  const element = (id) => document.getElementById(id);

  /** The landscapes of the page with decoded arrays, each with its place; extended: adds the data of a kind of page. */
  function listed(extended) {
    const packed = Array.from(JSON.parse(element("landscapes").textContent));
    element("pictures").dataset.count = Math.min(packed.length, 3);
    return packed.map((one) => ({ ...placed(one, packed.length > 1), ...extended(one) }));
  }

  /** A landscape with the data that all kinds of page need, and its place on the page. */
  function placed({ name, axes, said, marks, paths, known, spans, labels, values, basins: found, left_out: leftOut }, several) {
    const map = { name, names: axes, said: new Map(said), labels, leftOut, spans, basins: basins.prepared(found), driven: 0 };
    map.marks = marks.map(([called, at]) => ({ name: called, at }));
    map.paths = paths.map(([called, points], k) => trainings.prepared(called, points, known[k]));
    map.values = new Map(values.map(([metric, text]) => [metric, walking.decoded(text)]));
    map.facts = new Map(Array.from(map.values, ([metric, all]) => [metric, walking.facts(all)]));
    const figure = element("pictures").appendChild(document.createElement("figure"));
    const add = (tag, className, textContent = "") =>
      figure.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
    const caption = add("figcaption", "name", cleaned(name, LETTERS.caption));
    Object.assign(caption, { title: name, hidden: !several }); // for a single landscape, the title of the page has the name
    map.div = add("div", "plot");
    for (const part of ["keys", "trained", "told", "pointed", "note"]) map[part] = add("p", { told: "walk" }[part] ?? part);
    for (const part of ["trained", "told"]) map[part].setAttribute("aria-live", "polite");
    return map;
  }

  /** Offers the measures that all landscapes have, and the switches that at least one landscape can use. */
  function offer(all, switches) {
    const names = [...all[0].values.keys()].filter((name) => all.every((map) => map.values.has(name)));
    for (const name of names) element("metric").add(Object.assign(new Option(cleaned(name, LETTERS.name), name), { title: cleaned(name, LETTERS.caption) }));
    element("metric").closest("label").hidden = names.length < 2;
    for (const name of switches) element(name).closest("label").hidden = all.every((map) => map[name] === null);
    offerLog(all);
  }

  /** Offers the log scale if the metric allows it, and selects it for losses. */
  function offerLog(all) {
    const metric = element("metric").value;
    const possible = all.every((map) => walking.hasLog(map.facts.get(metric)));
    element("log").disabled = !possible;
    element("log").checked = possible && (metric === "loss" || metric.startsWith("loss of "));
  }

  /** Sets the heights of every map to the selected metric; returns their common scale. */
  function scaled(all) {
    const metric = element("metric").value;
    const log = element("log").checked;
    for (const map of all) map.heights = walking.heights(map.values.get(metric), map.facts.get(metric), log);
    const ends = all.map((map) => walking.facts(map.heights));
    const [low, high] = [Math.min(...ends.map((end) => end.low)), Math.max(...ends.map((end) => end.high))];
    return { ...scenes.scaleOf(low, high, log ? `log10 ${metric}` : metric, log ? [low, high] : walking.colourEnds(metric, low, high)), metric, log };
  }

  /** Moves a camera; meanwhile, the events of plotly for this camera are ignored. */
  async function drive(map, camera) {
    clearTimeout(map.gliding);
    map.driven++;
    try {
      await Plotly.relayout(map.div, { "scene.camera": structuredClone(camera) });
    } finally {
      map.driven--;
    }
  }

  /** Moves all other cameras to the camera of a map. */
  function follow(all, map) {
    const camera = scenes.cameraOf(map.div);
    return Promise.all(all.filter((other) => other !== map).map((other) => drive(other, camera)));
  }

  /** Redraws when a measure, its scale, a switch or the colours of the page change; resets and reports cameras. */
  function listen(all, { redraw, switches, moved, point, camera }) {
    for (const id of ["log", ...switches]) element(id).addEventListener("input", texts.soon(redraw));
    element("metric").addEventListener("input", texts.soon(() => {
      offerLog(all);
      redraw();
    }));
    element("reset").addEventListener("click", async () => {
      await Promise.all(all.map((map) => drive(map, camera(map))));
      moved(all[0]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", texts.soon(redraw));
    for (const map of all) {
      for (const event of ["plotly_relayouting", "plotly_relayout"]) {
        map.div.on(event, (changes) => "scene.camera" in changes && !map.driven && moved(map));
      }
      for (const event of ["plotly_hover", "plotly_click"]) map.div.on(event, (found) => point(map, found));
    }
    element("controls").addEventListener("submit", (event) => event.preventDefault());
  }

  return { drive, element, follow, listed, listen, offer, scaled };
})();
