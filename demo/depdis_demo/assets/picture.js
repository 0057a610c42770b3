// The Picture tab: bring a picture, look at it through its maps, read single pixels, switch classes, download.
depdis.picture = ({ element, trigger, props, server, upload, watch }) => {
  const { parts, make, say, percent, answered, layers } = depdis;
  const part = parts(element);
  const { limits, scales, examples, downloads, pictures } = props.value;
  const over = document.createElement("canvas");
  const names = { classes: "Classes", depth: "Depth", density: "Density", confidence: "Confidence" };
  let shown = null; // the value of the server with its picture and planes
  let layer = "classes";
  let hidden = new Set();
  let pinned = null;

  const choice = depdis.choices(part.say);
  let last = null;
  const own = depdis.ownCamera(part, () => last && !choice.isPending() && sent(last));
  const sent = (file, number = choice.next()) => {
    last = file;
    say(part.say, `Looking at ${file.name} …`, "busy");
    trigger("chosen", { ...file, ...own(), asked: choice.ask(number) });
  };
  for (const [name, title] of [["classes", "What"], ["depth", "How far"], ["density", "How usual"]]) {
    if (!pictures[name]) continue;
    const bars = name === "classes" ? [] : [depdis.bar(scales[name])];
    part.before.append(make("li", {}, make("img", { src: pictures[name], alt: "", width: 400, height: 225 }), make("span", { text: title }), ...bars));
  }
  const send = depdis.bring(element, part, { limits, upload, choice, sent, paste: true });
  for (const one of examples) {
    part.examples.append(
      make("li", {}, make("button", { type: "button", class: "dd-example", onclick: () => sent({ example: one.key, name: one.title }) },
        make("img", { src: one.thumb, alt: "", width: 160, height: 90 }), make("span", { text: one.title }))),
    );
  }

  // --- the camera, for one picture
  const camera = depdis.camera(part.preview);
  part.camera.addEventListener("click", async () => {
    if (!part.finder.hidden) return;
    part.finder.hidden = false;
    part.take.disabled = true; // until there is something to take
    try {
      if (!(await camera.open())) return;
      part.take.disabled = false;
      part.take.focus();
    } catch (error) {
      part.finder.hidden = true;
      say(part.say, depdis.cameraFault(error), "error");
    }
  });
  const closeFinder = () => {
    camera.close();
    part.finder.hidden = true;
  };
  part.put.addEventListener("click", closeFinder);
  part.take.addEventListener("click", async () => {
    part.take.disabled = true; // one picture for two clicks
    const blob = await depdis.snapshot(part.preview, 1920);
    closeFinder();
    send(new File([blob], "camera.jpg", { type: "image/jpeg" }));
  });

  // --- drawing
  const paint = () => {
    const { width, height, picture } = shown;
    const context = part.canvas.getContext("2d");
    const edge = Math.round((width * part.split.value) / 100);
    context.globalAlpha = 1;
    context.drawImage(picture, 0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(edge, 0, width - edge, height);
    context.clip();
    context.globalAlpha = part.opacity.value / 100;
    context.drawImage(over, 0, 0);
    context.restore();
    part.edge.style.left = `${part.split.value}%`;
    part.shade.value = `${part.opacity.value} %`;
  };
  const redraw = () => {
    layers.draw(over, layer, shown, shown.planes, shown.tables[layer], hidden);
    part.scale.replaceChildren(...(layer === "classes" ? [] : [depdis.bar(scales[layer])]));
    paint();
  };
  depdis.divider(part.edge, part.split, paint);
  part.opacity.addEventListener("input", paint);

  // --- one of the maps over the picture, chosen by its small multiple
  const multiples = () => {
    const present = layers.NAMES.filter((name) => name === "classes" || shown.maps.includes(name));
    if (!present.includes(layer)) layer = "classes";
    part.multiples.replaceChildren(...present.map((name) => {
      const small = document.createElement("canvas");
      layers.draw(small, name, shown, shown.planes, shown.tables[name], []);
      const option = make("input", { type: "radio", name: "dd-layer", value: name, checked: name === layer });
      option.addEventListener("change", () => {
        layer = name;
        redraw();
      });
      const caption = make("span", { class: "dd-caption", text: names[name] });
      return make("label", { class: "dd-multiple" }, option, small, caption,
        ...(name === "classes" ? [] : [depdis.bar(scales[name])]));
    }));
  };

  // --- the classes that are there
  const legend = () => {
    part.classes.replaceChildren(...shown.classes.map((one) => {
      const box = make("input", { type: "checkbox", checked: !hidden.has(one.label) });
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(one.label);
        else hidden.add(one.label);
        redraw();
      });
      return make("li", {}, make("label", { class: "dd-class" }, box,
        make("i", { class: "dd-swatch", style: `background:${one.colour}` }),
        make("span", { class: "dd-name", text: one.name }),
        make("span", { class: "dd-share" },
          make("i", { style: `width:${Math.max(1, 100 * one.share)}%;background:${one.colour}` })),
        make("span", { class: "dd-number", text: percent(one.share) })));
    }));
  };
  const switchAll = (off) => {
    hidden = new Set(off ? shown.classes.map((one) => one.label) : []);
    legend();
    redraw();
  };
  part.all.addEventListener("click", () => switchAll(false));
  part.none.addEventListener("click", () => switchAll(true));

  // --- one pixel's figures
  const figures = (x, y) => {
    const at = y * shown.width + x;
    const one = shown.planes;
    const name = shown.names[one.labels[at]];
    const metres = one.depth[at] / 100;
    const [wide, high] = shown.full;
    return {
      name,
      colour: shown.colours[one.labels[at]],
      // the pixel of the whole picture that this one of the view is
      pixel: [Math.floor(((x + 0.5) * wide) / shown.width), Math.floor(((y + 0.5) * high) / shown.height)],
      depth: !shown.maps.includes("depth") ? "–" : metres >= shown.farthest - 0.01 ? "beyond range" : `${metres.toFixed(1)} m`,
      density: shown.maps.includes("density") ? (one.density[at] / 100).toFixed(2) : "–",
      confidence: shown.maps.includes("confidence") ? (one.confidence[at] / 100).toFixed(2) : "–",
    };
  };
  const read = ([x, y], aloud = false) => {
    const found = figures(x, y);
    part.cross.hidden = false;
    part.cross.style.left = `${(100 * (x + 0.5)) / shown.width}%`;
    part.cross.style.top = `${(100 * (y + 0.5)) / shown.height}%`;
    part.swatch.style.background = found.colour;
    part.class.textContent = found.name;
    part.depth.textContent = found.depth;
    part.density.textContent = found.density;
    part.confidence.textContent = found.confidence;
    part.pixel.textContent = `column ${found.pixel[0]}, row ${found.pixel[1]}`;
    if (aloud) {
      part.aloud.textContent = `${found.name}, ${found.depth}, density ${found.density}, confidence ${found.confidence}`;
    }
  };
  const place = (event) => {
    const box = part.canvas.getBoundingClientRect();
    const inside = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    return [
      inside((event.clientX - box.left) / box.width, shown.width),
      inside((event.clientY - box.top) / box.height, shown.height),
    ];
  };
  part.canvas.addEventListener("pointermove", (event) => {
    if (shown) read(place(event));
  });
  part.canvas.addEventListener("pointerleave", () => {
    if (shown && pinned) read(pinned);
  });
  part.canvas.addEventListener("click", (event) => {
    if (shown) read((pinned = place(event)));
  });
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  part.canvas.addEventListener("keydown", (event) => {
    if (!shown || !moves[event.key]) return;
    event.preventDefault();
    const step = event.shiftKey ? 20 : 4;
    const [x, y] = pinned;
    const [across, down] = moves[event.key];
    pinned = [
      Math.min(shown.width - 1, Math.max(0, x + step * across)),
      Math.min(shown.height - 1, Math.max(0, y + step * down)),
    ];
    read(pinned, true);
  });

  // --- downloads, made when they are asked for
  for (const [kind, title] of Object.entries(downloads)) {
    part.downloads.append(make("li", {}, make("button", {
      type: "button", class: "dd-link", text: title,
      onclick: async () => {
        say(part.say, `Making ${title} …`, "busy");
        const settle = choice.settler();
        const made = await answered(server.download({ token: shown.token, kind }), "Try it again when it is back.");
        if (!made.error) depdis.download(made.url, made.name);
        settle(made.error ?? "", "error");
      },
    })));
  }
  part.seen.addEventListener("click", () => {
    depdis.download(part.canvas.toDataURL("image/png"), `${shown.stem}_as_shown.png`);
  });

  const show = async (value) => {
    const [picture, planes] = await Promise.all([depdis.image(value.picture), layers.planes(value)]);
    if (!choice.isAnswer(value)) return;
    const colours = Object.fromEntries(layers.NAMES.map((name) => [name, layers.table(name, scales, value.classes)]));
    // a class with a few pixels is in no list, but in the picture
    colours.classes = layers.table("classes", scales, value.colours.map((colour, label) => ({ label, colour })));
    shown = { ...value, picture, planes, tables: colours };
    hidden = new Set();
    part.canvas.width = value.width;
    part.canvas.height = value.height;
    part.result.hidden = false;
    part.empty.hidden = true;
    part.title.textContent = value.name;
    part.how.textContent = value.how;
    multiples();
    legend();
    redraw();
    read((pinned = [value.width >> 1, Math.round(0.6 * value.height)]));
    choice.settle("");
    element.dataset.shown = value.serial;
  };
  watch("value", () => {
    const value = props.value;
    if (!choice.isAnswer(value)) return; // another picture was chosen meanwhile
    if (value.state === "error") choice.settle(value.text, "error");
    if (value.state === "result") {
      show(value).catch((error) => {
        if (choice.isAnswer(value)) choice.settle(`The result could not be shown (${error.message}).`, "error");
      });
    }
  });
};
