// The maps of one picture as drawings: from the planes that the server sends to canvases, by tables of colours.
depdis.layers = (() => {
  const NAMES = ["classes", "depth", "density", "confidence"];

  const planes = async (value) => {
    const answer = await fetch(value.values);
    if (!answer.ok) throw new Error("the result did not arrive");
    const whole = await new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    const count = value.width * value.height;
    // label, centimetres (two bytes, little endian), density and confidence in hundredths
    const centimetres = new Uint16Array(count);
    const view = new DataView(whole, count, 2 * count);
    for (let i = 0; i < count; i++) centimetres[i] = view.getUint16(2 * i, true);
    return {
      labels: new Uint8Array(whole, 0, count),
      depth: centimetres,
      density: new Uint8Array(whole, 3 * count, count),
      confidence: new Uint8Array(whole, 4 * count, count),
    };
  };

  // 65536 colours by value: so that a pixel costs one look.
  const table = (name, scales, classes) => {
    const colours = new Uint32Array(name === "depth" ? 65536 : 256);
    const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;
    if (name === "classes") {
      for (const one of classes) {
        colours[one.label] = packed([1, 3, 5].map((at) => parseInt(one.colour.slice(at, at + 2), 16)));
      }
      return colours;
    }
    const scale = scales[name];
    for (let value = 0; value < colours.length; value++) {
      let place = value / 100;
      if (name === "depth") {
        const [near, far] = scale.range;
        place = Math.log(Math.max(place, 0.001) / near) / Math.log(far / near);
      }
      colours[value] = packed(scale.colours[Math.round(255 * Math.min(1, Math.max(0, place)))]);
    }
    return colours;
  };

  // A canvas of one map; the pixels of `hidden` classes are left clear.
  const draw = (canvas, name, value, found, colours, hidden) => {
    canvas.width = value.width;
    canvas.height = value.height;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(value.width, value.height);
    const out = new Uint32Array(pixels.data.buffer);
    const values = name === "classes" ? found.labels : found[name];
    const shown = new Uint8Array(256).fill(1);
    for (const label of hidden) shown[label] = 0;
    for (let i = 0; i < out.length; i++) out[i] = shown[found.labels[i]] ? colours[values[i]] : 0;
    context.putImageData(pixels, 0, 0);
  };

  return { NAMES, planes, table, draw };
})();
