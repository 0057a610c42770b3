// The Adapt tab: bring a clip, follow the work, cancel it, compare before and after, read the verdict, download.
depdis.adapt = ({ element, trigger, props, upload, watch }) => {
  const { parts, make, say } = depdis;
  const part = parts(element);
  const { limits, missing, shorter } = props.value;

  part.time.textContent = shorter
    ? "This server was started with settings of its own for it, so how long it takes is shown once it has begun."
    : "It takes about 10 minutes of one processor core, and 40 seconds more the first time; a forecast is shown once it has begun. One clip is adapted at a time, and one more can wait.";
  if (missing) {
    part.bringing.hidden = true;
    say(part.say, missing);
  }
  const choice = depdis.choices(part.say);
  const begin = (file, number) => {
    say(part.say, `Opening ${file.name} …`, "busy");
    part.result.hidden = true;
    trigger("started", { ...file, asked: choice.ask(number) });
  };
  depdis.bring(element, part, { limits, upload, choice, sent: begin });
  part.cancel.addEventListener("click", () => {
    part.cancel.disabled = true;
    part.cancel.textContent = "Stopping …";
    trigger("stopped", {});
  });

  // --- before and after
  const slide = () => {
    part.after.style.clipPath = `inset(0 0 0 ${part.split.value}%)`;
    part.edge.style.left = `${part.split.value}%`;
  };
  depdis.divider(part.edge, part.split, slide);
  const view = (pairs, chosen) => {
    part.before.src = pairs[chosen].before;
    part.after.src = pairs[chosen].after;
    [...part.views.children].forEach((button, index) => button.setAttribute("aria-pressed", index === chosen));
    slide();
  };

  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
  const words = (verdict) => {
    const { start, result } = verdict;
    const gain = (result.in_look - start.in_look + result.retained - start.retained) / 2;
    if (verdict.delivered === "result") {
      return `The adapted model is better by ${gain.toFixed(1)} points on the streets that stand in for yours. That is what you download.`;
    }
    if (verdict.agreement < 55) {
      return `The adapted model sees other things in your pictures than the one before (they agree in ${verdict.agreement.toFixed(0)} %), which cannot be trusted. You download the model it began with.`;
    }
    return `The adapted model is not better (${signed(gain)} points on the streets that stand in for yours). You download the model it began with, unchanged.`;
  };
  const result = (value) => {
    const { verdict, pairs } = value;
    part.headline.textContent = verdict.delivered === "result" ? "Adapted" : "Not better: the model stays as it was";
    part.verdict.textContent = words(verdict);
    const row = (name, key) => make("tr", {}, make("th", { scope: "row", text: name }),
      make("td", { text: verdict.start[key].toFixed(1) }), make("td", { text: verdict.result[key].toFixed(1) }));
    part.figures.replaceChildren(row("in your pictures' look", "in_look"), row("as they are", "retained"),
      make("tr", {}, make("th", { scope: "row", text: "agreement on your pictures" }), make("td"), make("td", { text: `${verdict.agreement.toFixed(0)} %` })));
    part.model.href = value.model;
    part.size.textContent = `ONNX, ${value.megabytes} MB`;
    part.views.replaceChildren(...pairs.map((pair, index) => make("button", {
      type: "button", class: "dd-link", text: `picture ${index + 1}`, onclick: () => view(pairs, index),
    })));
    view(pairs, 0);
  };

  watch("value", () => {
    const value = props.value;
    if (!choice.isAnswer(value)) return; // another clip was chosen meanwhile
    const busy = ["waiting", "working"].includes(value.state);
    part.bringing.hidden = busy;
    part.work.hidden = !busy;
    part.result.hidden = value.state !== "result";
    part.time.hidden = busy || !part.result.hidden;
    part.intro.hidden = part.steps.hidden = !part.result.hidden; // they were read when it began
    if (!busy || !value.stopping) {
      part.cancel.disabled = false;
      part.cancel.textContent = "Cancel";
    }
    if (busy || value.state === "result") choice.settle("");
    if (value.state === "waiting") {
      part.doing.textContent = "Another clip is at work. Yours is next.";
      part.bar.removeAttribute("value");
      part.count.textContent = part.since.textContent = part.forecast.textContent = "";
    }
    if (value.state === "working") {
      part.doing.textContent = value.doing;
      part.bar.value = value.whole;
      part.count.textContent = value.total ? `${value.done} of ${value.total}` : "";
      part.since.textContent = `for ${value.since}`;
      part.forecast.textContent = value.forecast ? `learning takes about ${value.forecast}` : "";
    }
    if (value.state === "empty") choice.settle("Cancelled. All that was made of your clip is deleted, and the clip itself within 11 minutes.");
    if (value.state === "error") choice.settle(value.text, "error");
    if (value.state === "result") result(value);
  });
};
