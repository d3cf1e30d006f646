"use strict";

// Texts and numbers for all pages. Does not access the page.
const texts = (() => {
  const LETTERS = { caption: 100, hover: 300, label: 60, name: 40 }; // largest lengths of texts of unknown origin
  const FAR = 30; // the largest power of ten drawn in units of 1; browsers draw in float32, which ends at 38
  const NAMED = 8; // parts left out that a sentence names

  const INVISIBLE = "\u200b"; // between signs that plotly would take for a command

  /** A text for plotly's labels, which read HTML and "%{". */
  function escaped(text) {
    return text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`).replaceAll("%{", `%${INVISIBLE}{`);
  }

  /** A text in one line, without characters that do not print, and of limited length. */
  function cleaned(text, most) {
    const line = text.slice(0, 2 * most).replace(/[\p{C}\p{Z}]/gu, " ").replace(/ +/g, " ").trim();
    const letters = Array.from(line);
    const long = letters.length > most || text.length > 2 * most;
    return (long ? `${letters.slice(0, most - 1).join("")}…` : line) || "(unnamed)";
  }

  /** A text within the picture: plotly reads a few HTML tags, and misreads names such as "constructor". */
  function plain(text) {
    const said = cleaned(text, LETTERS.label).replaceAll("<", `<${INVISIBLE}`);
    return said in {} ? INVISIBLE + said : said;
  }

  /** A text beside the pointer, in lines that fit. */
  function pointed(text) {
    return Array.from(cleaned(text, LETTERS.hover).matchAll(/.{1,50}/gu), ([line]) => escaped(line)).join("<br>");
  }

  /** The power of ten by which numbers are divided, because browsers draw in float32; 0 if they can draw the numbers. */
  function unitOf(values) {
    const largest = values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
    const exponent = largest > 0 ? Math.floor(Math.log10(largest)) : 0;
    return Math.abs(exponent) > FAR ? exponent : 0;
  }

  /** A number in a unit; divided in two steps, because float64 has no 1e-324. */
  function scaled(value, unit) {
    const half = Math.trunc(unit / 2);
    return unit && value !== null ? value / 10 ** half / 10 ** (unit - half) : value;
  }

  /** The label of an axis, with its unit. */
  function labelled(label, unit) {
    return unit ? `${label}, in units of 1e${unit}` : label;
  }

  /** A number with four digits. */
  function shown(number) {
    return Number.isFinite(number) ? String(Number(number.toPrecision(4))) : Number.isNaN(number) ? "no value" : String(number);
  }

  /** A number between two limits, with four digits or as many as keep it accurate to a thousandth of their distance. */
  function rounded(number, low, high) {
    for (let digits = 4; digits < 17; digits++) {
      const short = Number(number.toPrecision(digits));
      if (low <= short && short <= high && Math.abs(short - number) <= (high - low) / 1000) return short;
    }
    return number;
  }

  /** The sentence that names the parts left out, given as pairs of part and reason. */
  function notDrawn(things) {
    const reason = ([, why], k, named) => (k + 1 < named.length && named[k + 1][1] === why ? "" : ` (${why})`);
    const said = things.slice(0, NAMED).map((thing, k, named) => thing[0] + reason(thing, k, named));
    if (things.length > NAMED) said.push(`and ${things.length - NAMED} more`);
    return things.length ? `Not drawn: ${said.join(", ")}.` : "";
  }

  /** The index of the grid point nearest to a coordinate. */
  function nearest(t, at) {
    return t.reduce((best, coordinate, k) => (Math.abs(coordinate - at) < Math.abs(t[best] - at) ? k : best), 0);
  }

  /** A function that runs an action once before the next frame, however often it is called. */
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

  return { LETTERS, cleaned, escaped, labelled, nearest, notDrawn, plain, pointed, rounded, scaled, shown, soon, unitOf };
})();
