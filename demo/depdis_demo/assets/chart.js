// The strip chart of a video: shares of the classes as areas, the nearest person and vehicle as lines below.
depdis.chart = (() => {
  const { make } = depdis;
  const SPACE = "http://www.w3.org/2000/svg";
  const NEAR = 1;
  const FAR = 80;

  const shape = (tag, attributes) => {
    const made = document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const frame = (name) => shape("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": name });

  const areas = (series, palette, end) => {
    const drawing = frame("Share of each class over time");
    const floor = new Array(series.times.length).fill(0);
    const x = (index) => ((1000 * series.times[index]) / end).toFixed(1);
    const last = series.times.length - 1;
    for (const [name, shares] of Object.entries(series.shares)) {
      const below = floor.map((value, index) => `${x(index)},${(100 - 100 * value).toFixed(1)}`);
      shares.forEach((share, index) => (floor[index] += share));
      const above = floor.map((value, index) => `${x(index)},${(100 - 100 * value).toFixed(1)}`);
      const ends = [`1000,${above[last].split(",")[1]}`, `1000,${below[last].split(",")[1]}`];
      const area = shape("polygon", { points: [...above, ...(series.whole ? ends : []), ...below.reverse()].join(" "), fill: palette[name] ?? "#888" });
      area.append(Object.assign(shape("title", {}), { textContent: name }));
      drawing.append(area);
    }
    return drawing;
  };

  // near at the bottom, on a logarithmic scale
  const height = (metres) => (100 * Math.log(Math.min(FAR, Math.max(NEAR, metres)) / NEAR)) / Math.log(FAR / NEAR);
  const lines = (series, end) => {
    const drawing = frame("Nearest person and vehicle over time, in metres");
    for (const metres of [2, 5, 10, 20, 40]) {
      const y = 100 - height(metres);
      drawing.append(shape("line", { x1: 0, x2: 1000, y1: y, y2: y, class: "dd-grid" }));
    }
    for (const [name, values] of Object.entries(series.nearest)) {
      let path = "";
      values.forEach((metres, index) => {
        if (metres == null) return;
        const joined = index > 0 && values[index - 1] != null;
        const x = (1000 * series.times[index]) / end;
        path += `${joined ? "L" : "M"}${x.toFixed(1)} ${(100 - height(metres)).toFixed(1)}`;
        if (!joined) path += "h0.1"; // one frame alone is a dot
      });
      drawing.append(shape("path", { d: path || "M0 0", class: `dd-line dd-${name}` }));
    }
    return drawing;
  };

  const nearest = (values) => {
    const found = values.filter((metres) => metres != null);
    return found.length ? `nearest ${Math.min(...found).toFixed(1)} m` : "none seen";
  };

  // A whole chart in `place`; `seek(seconds)` is called where it is clicked. Returns what moves the cursor.
  const draw = (place, series, palette, end, seek) => {
    const cursor = make("i", { class: "dd-cursor" });
    const rows = make("div", { class: "dd-plots", "data-seek": Boolean(seek) },
      make("div", { class: "dd-plot dd-areas" }, areas(series, palette, end)),
      make("div", { class: "dd-plot dd-lines" }, lines(series, end),
        ...[2, 10, 40].map((metres) => make("span", { class: "dd-metre", style: `bottom:${height(metres)}%`, text: `${metres} m` }))),
      ...(seek ? [cursor] : [])); // there is nothing to be at while it is being made
    rows.addEventListener("click", (event) => {
      const box = rows.getBoundingClientRect();
      seek?.((end * (event.clientX - box.left)) / box.width);
    });
    const keys = Object.keys(series.shares).map((name) => {
      const values = series.shares[name];
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return make("li", {}, make("i", { class: "dd-swatch", style: `background:${palette[name] ?? "#888"}` }), `${name} ${depdis.percent(mean)}`);
    });
    place.replaceChildren(
      make("h3", { text: "Over time" }),
      rows,
      make("div", { class: "dd-axis" }, make("span", { text: "0 s" }), make("span", { text: `${end.toFixed(0)} s` })),
      make("ul", { class: "dd-keys" },
        make("li", {}, make("i", { class: "dd-stroke dd-person" }), `person: ${nearest(series.nearest.person)}`),
        make("li", {}, make("i", { class: "dd-stroke dd-vehicle" }), `vehicle: ${nearest(series.nearest.vehicle)}`)),
      make("p", { class: "dd-fine", text: "Mean share of each class" }),
      make("ul", { class: "dd-keys" }, ...keys),
    );
    return (seconds) => {
      cursor.style.left = `${Math.min(100, (100 * seconds) / end)}%`;
    };
  };

  return { draw };
})();
