// The Video tab: bring a video, watch the work, cancel it, play the result beside its strip chart, download.
depdis.video = ({ element, trigger, props, upload, watch }) => {
  const { parts, say } = depdis;
  const part = parts(element);
  const { limits, palette } = props.value;
  let move = () => {};
  const choice = depdis.choices(part.say);
  let last = null;

  part.most.textContent = `Videos of up to ${limits.seconds} seconds and ${limits.megabytes} MB are taken here.`;
  const panel = () => element.querySelector("input[name=dd-panel]:checked").value;
  const begin = (file, number = choice.next()) => {
    last = file;
    say(part.say, `Opening ${file.name} …`, "busy");
    part.result.hidden = true;
    part.player.removeAttribute("src");
    const asked = choice.ask(number);
    trigger("started", { ...file, ...own(), panel: panel(), smooth: part.smooth.checked, asked });
  };
  const again = () => last && !choice.isPending() && begin(last);
  const own = depdis.ownCamera(part, again);
  part.smooth.addEventListener("change", again);
  depdis.bring(element, part, { limits, upload, choice, sent: begin });
  part.example.addEventListener("click", () => begin({ example: true, name: "Generated drive" }));
  part.cancel.addEventListener("click", () => {
    part.cancel.disabled = true;
    trigger("stopped", {});
  });
  element.querySelectorAll("input[name=dd-panel]").forEach((option) => {
    option.addEventListener("change", again);
  });
  part.player.addEventListener("timeupdate", () => move(part.player.currentTime));

  const working = (value) => {
    const of = value.total ? ` of ${value.total}` : "";
    part.frames.textContent = `${value.frames}${of} frames`;
    part.rate.textContent = value.rate ? `${value.rate} a second` : "";
    part.left.textContent = value.left ? `${value.left} left` : "";
    if (value.total) part.bar.value = value.frames / value.total;
    else part.bar.removeAttribute("value");
  };
  const end = (value) => {
    const step = value.frames > 1 ? value.series.times.at(-1) / (value.series.times.length - 1 || 1) : 0;
    return Math.max(0.1, (value.series.times.at(-1) ?? 0) + step);
  };
  const chart = (value, whole) => {
    if (!value.series?.times.length) return;
    const series = { ...value.series, whole };
    const share = whole || !value.total ? 1 : Math.min(1, value.frames / value.total);
    const seek = whole ? (seconds) => { part.player.currentTime = seconds; } : null;
    move = depdis.chart.draw(part.chart, series, palette, end(value) / share, seek);
  };
  const result = (value) => {
    part.player.style.aspectRatio = `${value.size[0]} / ${value.size[1]}`;
    part.player.src = value.files.video;
    const { name } = last;
    part.title.textContent = name;
    const kept = value.total && value.frames < value.total ? `the first ${value.frames} of ${value.total} frames` : `${value.frames} frames`;
    part.how.textContent = `${kept}, ${value.rate} a second${value.cancelled ? ", cancelled by you" : ""}`;
    part.note.textContent = value.note;
    part.note.hidden = !value.note;
    const stem = name.replace(/\.[^.]+$/, "").replaceAll(" ", "_").toLowerCase();
    part.video.href = value.files.video;
    part.video.download = `${stem}_depdis.mp4`;
    part.lines.hidden = !value.files.lines;
    part.lines.href = value.files.lines ?? "#";
    part.lines.download = `${stem}.ndjson`;
    chart(value, true);
  };

  watch("value", () => {
    const value = props.value;
    if (!choice.isAnswer(value)) return; // another video was chosen meanwhile
    const busy = ["waiting", "working"].includes(value.state);
    part.bringing.hidden = busy;
    part.work.hidden = !busy;
    part.cancel.disabled = Boolean(value.stopping);
    part.result.hidden = value.state !== "result";
    part.empty.hidden = busy || value.state === "result";
    part.charting.hidden = !["working", "result"].includes(value.state);
    if (busy || value.state === "result") choice.settle("");
    if (value.state === "waiting") {
      working({ frames: 0 });
      part.frames.textContent = value.ahead === 1 ? "1 video is before yours" : `${value.ahead} videos are before yours`;
    }
    if (value.state === "working") {
      working(value);
      chart(value, false);
    }
    if (value.state === "empty") {
      last = null;
      choice.settle("Cancelled before it began.");
    }
    if (value.state === "error") choice.settle(value.text, "error");
    if (value.state === "result") result(value);
  });
};
