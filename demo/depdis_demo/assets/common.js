// What the tabs share: finding parts, saying things, and the ways in which a file gets here.
window.depdis = (() => {
  const parts = (element) =>
    new Proxy({}, { get: (_, name) => element.querySelector(`[data-part="${name}"]`) });

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") made.textContent = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };

  // kind: plain, busy or error. An error interrupts a screen reader, the others do not.
  const say = (line, text, kind = "plain") => {
    line.textContent = text;
    line.dataset.kind = kind;
    line.hidden = !text;
    line.setAttribute("role", kind === "error" ? "alert" : "status");
  };

  const percent = (share) =>
    share > 0 && share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

  const visible = (element) => element.offsetParent !== null;

  // What one of the server's functions answers, or an error to say; Gradio gives nothing where none came.
  const answered = async (answer, then) =>
    (await answer.catch(() => null)) ?? { error: `The server does not answer. ${then}` };

  const image = (source) =>
    new Promise((resolve, reject) => {
      const loading = new Image();
      loading.onload = () => resolve(loading);
      loading.onerror = () => reject(new Error("the picture did not arrive"));
      loading.src = source;
    });

  const cameraFault = (error) => {
    if (!navigator.mediaDevices) return "The browser gives cameras only to pages of this computer or over https.";
    if (error.name === "NotAllowedError") return "The camera was not allowed. Allow it in the browser's address bar.";
    if (error.name === "NotFoundError") return "There is no camera here. Choose a file.";
    return `The camera could not be started (${error.message}).`;
  };

  // The camera behind a video element. `open` tells whether it is open now: not so where `close`, or another
  // `open`, came while the browser was asking or starting it; then what it gave is closed at once.
  const camera = (video) => {
    let turn = 0;
    const end = (stream) => stream?.getTracks().forEach((track) => track.stop());
    const close = () => {
      turn += 1;
      end(video.srcObject);
      video.srcObject = null;
    };
    const open = async (wide = 1280) => {
      if (!navigator.mediaDevices) throw new Error("no media devices");
      close();
      const mine = turn;
      const size = { width: { ideal: wide }, facingMode: { ideal: "environment" } };
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: size, audio: false });
        if (mine !== turn) end(stream);
        else {
          video.srcObject = stream;
          await video.play();
        }
      } catch (error) {
        if (mine !== turn) return false; // nobody waits for it any more
        close();
        throw error;
      }
      return mine === turn;
    };
    return { open, close };
  };

  const snapshot = (video, wide, type = "image/jpeg", quality = 0.9) => {
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, wide / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
  };

  // The numbered choices of a tab, and the line that says what becomes of them. Another one may be made while one is
  // on its way or at work; the last one counts.
  const choices = (line) => {
    let count = 0;
    let last = 0;
    let asked = 0;
    return {
      next: () => (last = ++count),
      isLast: (number) => number === last,
      drop: (number) => number === last && (last = asked), // it does not get to the server
      ask: (number) => (asked = number), // the server is asked for it
      isAnswer: (value) => value.asked === asked,
      isPending: () => last !== asked,
      settle: (text, kind) => last === asked && say(line, text, kind),
      // As `settle`, for what begins now and is no choice.
      settler: () => {
        const then = `${last} ${asked}`;
        return (text, kind) => then === `${last} ${asked}` && say(line, text, kind);
      },
    };
  };

  // Files that are chosen, dropped or pasted go to the server, then `sent({path, name}, number)` is called, unless
  // something else was chosen meanwhile.
  const bring = (element, part, { limits, upload, choice, sent, paste = false }) => {
    const send = async (file) => {
      if (!file) return;
      const number = choice.next();
      const fail = (text) => {
        if (!choice.isLast(number)) return;
        choice.drop(number);
        say(part.say, text, "error");
      };
      if (file.size > limits.megabytes * 1e6) {
        const size = Math.round(file.size / 1e6);
        return fail(`${file.name} has ${size} MB; at most ${limits.megabytes} MB are taken here.`);
      }
      if (file.size === 0) return fail(`${file.name} is empty: it has 0 bytes.`);
      say(part.say, `Sending ${file.name} …`, "busy");
      try {
        const { path } = await upload(file);
        if (choice.isLast(number)) sent({ path, name: file.name }, number);
      } catch (error) {
        fail(`${file.name} could not be sent (${error.message ?? error}). Try it again.`);
      }
    };
    part.file.addEventListener("change", () => {
      send(part.file.files[0]);
      part.file.value = "";
    });
    for (const name of ["dragenter", "dragover"]) {
      part.drop.addEventListener(name, (event) => {
        event.preventDefault();
        part.drop.dataset.over = "true";
      });
    }
    for (const name of ["dragleave", "drop"]) {
      part.drop.addEventListener(name, (event) => {
        event.preventDefault();
        delete part.drop.dataset.over;
      });
    }
    part.drop.addEventListener("drop", (event) => send(event.dataTransfer.files[0]));
    if (paste) {
      document.addEventListener("paste", (event) => {
        const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
        if (file && visible(element)) send(file);
      });
    }
    return send;
  };

  // A divider that is dragged by its handle or moved by a range input below; `moved` draws what is at its sides.
  const divider = (edge, range, moved) => {
    let dragging = false;
    range.addEventListener("input", moved);
    edge.addEventListener("pointerdown", (event) => {
      dragging = true;
      edge.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    edge.addEventListener("pointermove", (event) => {
      if (!dragging) return;
      const box = edge.parentElement.getBoundingClientRect();
      range.value = (100 * (event.clientX - box.left)) / box.width;
      moved();
    });
    edge.addEventListener("pointerup", () => (dragging = false));
  };

  const download = (source, name) => {
    const anchor = make("a", { href: source, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  };

  // The model that is chosen above the tabs; there is nothing to choose where only one is offered.
  const model = () => document.querySelector(".dd-model input")?.value ?? "";

  // What a tab's fields say of the visitor's own camera; `changed` is called when that is something else.
  const ownCamera = (part, changed) => {
    for (const field of [part.fov, part.height]) field.addEventListener("change", changed);
    return () => ({ fov: part.fov.value, height: part.height.value });
  };

  // A colour bar with its ticks and unit, from `scales` of the server.
  const bar = (scale) => {
    const stops = scale.colours.filter((_, index) => index % 15 === 0).map((colour) => `rgb(${colour.join()})`);
    const ticks = scale.ticks.map(([place, text], index) =>
      make("span", {
        style: `left:${100 * place}%`, text,
        "data-edge": index === 0 ? "first" : index === scale.ticks.length - 1 ? "last" : false,
      }),
    );
    return make("div", { class: "dd-bar" },
      make("i", { style: `background:linear-gradient(90deg, ${stops.join()})` }),
      make("div", { class: "dd-ticks" }, ...ticks),
      make("div", { class: "dd-unit", text: scale.unit }),
    );
  };

  return {
    answered, parts, make, say, percent, visible, image, cameraFault, camera, snapshot, choices, bring, divider,
    download, model, ownCamera, bar,
  };
})();
