// The Live tab: one frame is on its way at a time; when its answer is here, the camera's newest one is sent.
depdis.live = ({ element, server }) => {
  const { parts, make, say, percent, answered } = depdis;
  const part = parts(element);
  const WIDE = 640;
  const camera = depdis.camera(part.camera);
  let run = null; // of the loop that goes on; another one for each start
  let times = []; // when the last answers were shown

  const base64 = (blob) =>
    new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.readAsDataURL(blob);
    });
  const bitmap = (text) => depdis.image(`data:image/jpeg;base64,${text}`);

  const show = async (answer, taken) => {
    const picture = await bitmap(answer.jpeg);
    part.canvas.width = picture.naturalWidth;
    part.canvas.height = picture.naturalHeight;
    part.canvas.getContext("2d").drawImage(picture, 0, 0);
    const now = performance.now();
    times = [...times.filter((time) => now - time < 3000), now];
    const rate = times.length > 1 ? (1000 * (times.length - 1)) / (now - times[0]) : 0;
    part.rate.textContent = rate.toFixed(1);
    part.age.textContent = Math.round(now - taken);
    part.classes.replaceChildren(...answer.classes.slice(0, 8).map((one) => make("li", { class: "dd-class dd-plain" },
      make("i", { class: "dd-swatch", style: `background:${one.colour}` }),
      make("span", { class: "dd-name", text: one.name }),
      make("span", { class: "dd-share" }, make("i", { style: `width:${100 * one.share}%;background:${one.colour}` })),
      make("span", { class: "dd-number", text: percent(one.share) }))));
    part.result.hidden = part.rates.hidden = false;
    part.empty.hidden = true;
    element.dataset.frames = Number(element.dataset.frames ?? 0) + 1;
  };

  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const loop = async (mine) => {
    while (run === mine) {
      if (!depdis.visible(element) || document.hidden) {
        await pause(300);
        continue;
      }
      const taken = performance.now();
      const jpeg = await base64(await depdis.snapshot(part.camera, WIDE, "image/jpeg", 0.85));
      if (run !== mine) return;
      const frame = { jpeg, view: part.view.value, model: depdis.model() };
      const answer = await answered(server.frame(frame), "Start the camera again when it is back.");
      if (run !== mine) return;
      if (answer.error && !answer.again) {
        stop();
        return say(part.say, answer.error, "error");
      }
      say(part.say, answer.error ?? "");
      if (answer.error) await pause(2000);
      else await show(answer, taken);
    }
  };
  const stop = () => {
    run = null;
    camera.close();
    part.toggle.textContent = "Start the camera";
    part.rates.hidden = true;
    times = [];
  };
  let starting = false;
  const busy = (now) => {
    starting = now;
    part.toggle.setAttribute("aria-disabled", now); // `disabled` would take the keyboard's focus from it
  };
  part.toggle.addEventListener("click", async () => {
    if (starting) return;
    if (run) return stop();
    busy(true);
    say(part.say, "Starting the camera …", "busy");
    try {
      await camera.open(WIDE);
    } catch (error) {
      return say(part.say, depdis.cameraFault(error), "error");
    } finally {
      busy(false);
    }
    run = {};
    part.toggle.textContent = "Stop the camera";
    loop(run);
  });
};
