// The About tab: fills in pictures and card, and draws a class's mixture at a distance over the example.
depdis.about = async ({ element, props, server }) => {
  const { parts, make, answered } = depdis;
  const part = parts(element);
  const { pictures, scales, classes, mixtures, card, map } = props.value;
  const NEAR = 2;
  const FAR = 80;

  for (const name of ["classes", "depth", "density"]) {
    if (pictures[name]) part[name].src = pictures[name];
    else part[name].closest("figure").hidden = true;
  }
  part.depthbar.append(depdis.bar(scales.depth));
  part.densitybar.append(depdis.bar(scales.density));
  part.bar.append(depdis.bar(scales.density));
  part.card.append(...card.map(([name, text]) => make("div", {}, make("dt", { text: name }), make("dd", { text }))));
  part.classed.textContent = `One of ${classes.length} classes, from ${classes[0]} to ${classes.at(-1)}.`;
  part.mixtures.hidden = !mixtures;
  if (!mixtures) return;

  part.name.append(...classes.map((name) => make("option", { value: name, text: name, selected: name === "car" })));
  const ground = await depdis.image(pictures.picture);
  const small = document.createElement("canvas");
  [small.width, small.height] = map;
  part.canvas.width = ground.naturalWidth;
  part.canvas.height = ground.naturalHeight;

  const metres = () => NEAR * (FAR / NEAR) ** (part.distance.value / 100);
  const paint = (levels) => {
    const context = small.getContext("2d");
    const pixels = context.createImageData(...map);
    for (let i = 0; i < levels.length; i++) {
      // what is unusual lets the picture through
      pixels.data.set([...scales.density.colours[levels[i]], Math.min(235, 1.6 * levels[i])], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    const over = part.canvas.getContext("2d");
    over.filter = "grayscale(1) brightness(0.85)";
    over.drawImage(ground, 0, 0);
    over.filter = "none";
    over.imageSmoothingQuality = "high";
    over.drawImage(small, 0, 0, part.canvas.width, part.canvas.height);
  };
  let asked = 0;
  const ask = async () => {
    const number = ++asked;
    const [name, far] = [part.name.value, metres()];
    part.metres.textContent = `${far < 10 ? far.toFixed(1) : far.toFixed(0)} m`;
    part.distance.setAttribute("aria-valuetext", part.metres.textContent);
    const found = await answered(server.density({ name, metres: far }), "Move the slider again when it is back.");
    if (number !== asked) return; // a newer one is on its way
    if (found.error) {
      part.most.textContent = found.error;
      return;
    }
    paint(Uint8Array.from(atob(found.levels), (letter) => letter.charCodeAt(0)));
    part.most.textContent = found.most < 0.05
      ? `Hardly ever is a ${name} ${part.metres.textContent} away.`
      : `At its most usual place, ${name} at ${part.metres.textContent} has a density of ${found.most.toFixed(2)}.`;
    element.dataset.painted = `${name} ${part.distance.value}`;
  };
  part.name.addEventListener("change", ask);
  part.distance.addEventListener("input", ask);
  ask();
};
