"use strict";

// What heights, Smooth and descend compute in Python (results/scale.py, views/smooth.py, views/walks.py), to rounding.
// Knows no page.
//
// A map has coordinates x [H] and y [W], increasing, and heights z [H * W]; z[i * W + j] belongs to x[i], y[j].
const walking = (() => {
  // As in views/walks.py, and the defaults of torch.optim.
  const MOMENTUM = 0.9;
  const ALPHA = 0.99;
  const EPSILON = 1e-8;
  const MOMENTUM_DECAY = 4e-3;

  /** Numbers from base64 of little-endian float64. */
  function decoded(text) {
    return new Float64Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  }

  /** The smallest, the largest and the smallest positive of the finite values, and how many have none to draw. */
  function facts(values) {
    const found = { low: Infinity, high: -Infinity, positive: Infinity, missing: 0, infinite: 0 };
    for (const value of values) {
      if (Number.isNaN(value)) found.missing++;
      else if (!Number.isFinite(value)) found.infinite++;
      else {
        found.low = Math.min(found.low, value);
        found.high = Math.max(found.high, value);
        if (value > 0) found.positive = Math.min(found.positive, value);
      }
    }
    return found;
  }

  /** Whether values with these facts have logarithms. */
  function hasLog(found) {
    return found.low >= 0 && found.positive < Infinity;
  }

  /** The heights at which colours begin and end: of a metric of both signs as far below 0 as above. */
  function colourEnds(metric, low, high) {
    const farthest = Math.max(-low, high);
    return metric !== "loss" && low < 0 && high > 0 ? [-farthest, farthest] : [low, high];
  }

  /** The heights to draw and to walk on: infinite values at the farthest finite one, 0 at the smallest positive. */
  function heights(values, found, log) {
    return values.map((value) => {
      const finite = Math.min(Math.max(value, found.low), found.high); // NaN stays NaN
      return log ? Math.log10(finite === 0 ? found.positive : finite) : finite;
    });
  }

  /** The slopes of all lines along one axis: of the parabola through a point and its neighbours. */
  function slopes(t, z, stride, lines, betweenLines) {
    const out = new Float64Array(z.length);
    const last = t.length - 1;
    for (let line = 0; line < lines; line++) {
      const rise = (i) => {
        const at = line * betweenLines + i * stride;
        return (z[at + stride] - z[at]) / (t[i + 1] - t[i]);
      };
      for (let i = 0; i <= last; i++) {
        let slope = rise(0);
        if (last > 1) {
          const j = Math.min(Math.max(i, 1), last - 1);
          const [before, after] = [t[j] - t[j - 1], t[j + 1] - t[j]];
          const [left, right] = [rise(j - 1), rise(j)];
          if (i === 0) slope = left + ((left - right) * before) / (before + after);
          else if (i === last) slope = right + ((right - left) * after) / (after + before);
          else slope = (after * left + before * right) / (after + before);
        }
        out[line * betweenLines + i * stride] = slope;
      }
    }
    return out;
  }

  /** The number of the cell that a coordinate lies in, its width, and how far into it, from 0 to 1. */
  function cell(t, at) {
    let [low, high] = [0, t.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (t[middle] <= at) low = middle;
      else high = middle;
    }
    const width = t[low + 1] - t[low];
    return [low, width, (Math.min(Math.max(at, t[0]), t[t.length - 1]) - t[low]) / width];
  }

  /** What value and slope at 0, and value and slope at 1, add to the value at u and to the slope there. */
  function hermite(u, width) {
    const value = [(1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2 * width, u * u * (3 - 2 * u), u * u * (u - 1) * width];
    const slope = [(6 * u * (u - 1)) / width, (3 * u - 1) * (u - 1), (6 * u * (1 - u)) / width, u * (3 * u - 2)];
    return [value, slope];
  }

  const FAR = 100; // the power of two up to which numbers are as they are: those of float64 end at 1024

  /** The power of two by which numbers are divided: 0 unless products of them could leave float64. */
  function powerOf(values) {
    const largest = values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
    const power = largest > 0 ? Math.trunc(Math.log2(largest)) : 0;
    return Math.abs(power) > FAR ? power : 0;
  }

  /** A number times a power of two, in steps, because the power may be none that float64 has. */
  function times(value, power) {
    for (let left = power; left !== 0; ) {
      const step = Math.max(Math.min(left, 1000), -1000);
      value *= 2 ** step;
      left -= step;
    }
    return value;
  }

  /** The smooth surface through a map: bicubic Hermite interpolation. */
  class Smooth {
    constructor(x, y, z) {
      Object.assign(this, { x, y, powers: [x, y, z].map(powerOf) });
      const near = [x, y, z].map((values, k) => (this.powers[k] ? values.map((value) => times(value, -this.powers[k])) : values));
      [this.nearX, this.nearY, this.z] = near;
      this.alongX = slopes(this.nearX, this.z, y.length, y.length, 1);
      this.alongY = slopes(this.nearY, this.z, 1, x.length, y.length);
      this.twists = slopes(this.nearX, this.alongY, y.length, y.length, 1);
    }

    /** Height, slope along x and slope along y at a point; NaN near a hole, beyond the border those on it. */
    at(x, y) {
      const [powerX, powerY, powerZ] = this.powers;
      const [i, width, u] = cell(this.nearX, times(x, -powerX));
      const [j, depth, v] = cell(this.nearY, times(y, -powerY));
      const [[valueX, slopeX], [valueY, slopeY]] = [hermite(u, width), hermite(v, depth)];
      const sums = [0, 0, 0];
      for (let a = 0; a < 4; a++) {
        for (let b = 0; b < 4; b++) {
          const kinds = a % 2 ? [this.alongX, this.twists] : [this.z, this.alongY];
          const node = kinds[b % 2][(i + (a >> 1)) * this.y.length + j + (b >> 1)];
          sums[0] += valueX[a] * node * valueY[b];
          sums[1] += slopeX[a] * node * valueY[b];
          sums[2] += valueX[a] * node * slopeY[b];
        }
      }
      const height = times(sums[0], powerZ); // between the largest numbers the surface may rise above them
      const most = Number.MAX_VALUE;
      return [Math.min(Math.max(height, -most), most), times(sums[1], powerZ - powerX), times(sums[2], powerZ - powerY)];
    }
  }

  /** As torch.lerp rounds it. */
  function mixed(from, to, weight) {
    return weight < 0.5 ? from + weight * (to - from) : to - (to - from) * (1 - weight);
  }

  // Each makes a function (gradient, number of the step from 1) that returns what is added to the point.
  const OPTIMIZERS = {
    sgd: ({ lr }) => (gradient) => gradient.map((g) => -lr * g),

    momentum: ({ lr }) => {
      const velocity = [0, 0];
      return (gradient) => gradient.map((g, k) => {
        velocity[k] = MOMENTUM * velocity[k] + g;
        return -lr * velocity[k];
      });
    },

    rmsprop: ({ lr }) => {
      const squares = [0, 0];
      return (gradient) => gradient.map((g, k) => {
        squares[k] = ALPHA * squares[k] + (1 - ALPHA) * g * g;
        return (-lr * g) / (Math.sqrt(squares[k]) + EPSILON);
      });
    },

    adam: ({ lr, betas: [beta1, beta2] }) => {
      const [means, squares] = [[0, 0], [0, 0]];
      return (gradient, step) => gradient.map((g, k) => {
        means[k] = mixed(means[k], g, 1 - beta1);
        squares[k] = beta2 * squares[k] + (1 - beta2) * g * g;
        const scale = Math.sqrt(squares[k]) / Math.sqrt(1 - beta2 ** step) + EPSILON;
        return ((-lr / (1 - beta1 ** step)) * means[k]) / scale;
      });
    },

    nadam: ({ lr, betas: [beta1, beta2] }) => {
      const [means, squares] = [[0, 0], [0, 0]];
      const weight = (step) => beta1 * (1 - 0.5 * 0.96 ** (step * MOMENTUM_DECAY));
      let product = 1;
      return (gradient, step) => {
        const [now, next] = [weight(step), weight(step + 1)];
        product = Math.fround(product * Math.fround(now)); // torch keeps it in float32
        return gradient.map((g, k) => {
          means[k] = mixed(means[k], g, 1 - beta1);
          squares[k] = beta2 * squares[k] + (1 - beta2) * g * g;
          const scale = Math.sqrt(squares[k] / (1 - beta2 ** step)) + EPSILON;
          return ((-lr * (1 - now)) / (1 - product)) * (g / scale) + ((-lr * next) / (1 - product * next)) * (means[k] / scale);
        });
      };
    },
  };

  /** Where a step ends: at `after`, or where it leaves the map. */
  function cut(surface, before, after) {
    const bounds = [surface.x, surface.y].map((axis) => [axis[0], axis[axis.length - 1]]);
    let fraction = 1;
    bounds.forEach(([low, high], k) => {
      if (after[k] < low || after[k] > high) {
        fraction = Math.min(fraction, ((after[k] < low ? low : high) - before[k]) / (after[k] - before[k]));
      }
    });
    if (fraction === 1) return after;
    return bounds.map(([low, high], k) => Math.min(Math.max(before[k] + fraction * (after[k] - before[k]), low), high));
  }

  /**
   * Walks an optimizer down a smooth surface.
   *
   * Returns coordinates and heights, the start first, and why the walk ended: "steps", "border", "hole" or
   * "not finite"; "no start" with no point when the start has no height.
   */
  function descend(surface, start, optimizer, steps, options) {
    const path = { x: [], y: [], height: [], ended: "steps" };
    const add = (point, height) => [...point, height].forEach((value, k) => path[["x", "y", "height"][k]].push(value));
    const ending = (ended) => Object.assign(path, { ended });
    let [height, ...gradient] = surface.at(...start);
    if (!Number.isFinite(height)) return ending("no start");
    add(start, height);
    const move = OPTIMIZERS[optimizer](options);
    let point = start;
    for (let step = 1; step <= steps; step++) {
      const added = move(gradient, step);
      const after = point.map((coordinate, k) => coordinate + added[k]);
      if (!after.every(Number.isFinite)) return ending("not finite");
      const shown = cut(surface, point, after);
      [height, ...gradient] = surface.at(...shown);
      if (!Number.isFinite(height)) return ending("hole");
      add(shown, height);
      if (shown !== after) return ending("border");
      point = after;
    }
    return path;
  }

  return { OPTIMIZERS, Smooth, colourEnds, decoded, descend, facts, hasLog, heights };
})();
