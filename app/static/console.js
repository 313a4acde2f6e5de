"use strict";
(() => {
  document.documentElement.classList.add("js");
  const byId = (id) => document.getElementById(id);
  const live = () => [...document.querySelectorAll("[data-live]")];
  const state = byId("live-state");
  const toggle = byId("live-toggle");
  let source = null;
  let paused = false;
  let settling = 0;

  function say(text, lost) {
    state.hidden = false;
    state.textContent = text;
    state.classList.toggle("lost", Boolean(lost));
  }

  function refresh(ids) {
    for (const part of live()) {
      const wanted = part.dataset.live;
      if (!ids || wanted === "*" || ids.includes(wanted)) htmx.trigger(part, "refresh");
    }
  }

  function close() {
    clearTimeout(settling);
    if (source) source.close();
    source = null;
  }

  function open() {
    if (source || paused || document.hidden || !live().length || !window.EventSource) return;
    let lost = false;
    source = new EventSource("/admin/live");
    source.addEventListener("open", () => {
      say("● live");
      if (lost) refresh();
      lost = false;
    });
    source.addEventListener("change", (event) => {
      refresh(JSON.parse(event.data));
      // A run ends a moment after its job has: look once more when things are quiet.
      clearTimeout(settling);
      settling = setTimeout(() => refresh(), 3000);
    });
    source.addEventListener("error", () => {
      lost = true;
      say("✕ connection lost, trying again", true);
      if (source && source.readyState === EventSource.CLOSED) { close(); setTimeout(open, 5000); }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); return; }
    if (!paused && live().length && !source) { refresh(); open(); }
  });
  addEventListener("pagehide", close);

  if (live().length && window.EventSource) {
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      paused = !paused;
      toggle.textContent = paused ? "Resume live updates" : "Pause live updates";
      if (paused) { close(); say("‖ live updates are paused"); } else { refresh(); open(); }
    });
    open();
  }

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const block = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(block.textContent);
    } catch {
      // Without HTTPS there is no clipboard: what is selected can be copied with the keyboard.
      getSelection().selectAllChildren(block);
      button.textContent = "Selected";
      return;
    }
    button.textContent = "Copied";
  });

  let chosen = -1;
  let chosenId = "";
  function choose(step) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const kept = chosenId ? rows.findIndex((row) => row.id === chosenId) : -1;
    if (kept >= 0) chosen = kept;
    chosen = Math.min(rows.length - 1, Math.max(0, chosen + step));
    for (const row of rows) row.classList.remove("chosen");
    rows[chosen].classList.add("chosen");
    chosenId = rows[chosen].id;
    if (!step) return;
    const link = rows[chosen].querySelector("a, summary");
    if (link) link.focus({ preventScroll: true });
    rows[chosen].scrollIntoView({ block: "nearest" });
  }

  // A refresh draws the rows anew: the chosen one stays chosen, wherever it is now.
  document.addEventListener("htmx:after:swap", () => { if (chosen >= 0) choose(0); });

  const help = byId("keys");
  const helpButton = byId("keys-toggle");
  helpButton.hidden = false;
  helpButton.addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = byId("search");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "j") choose(1);
    else if (event.key === "k") choose(-1);
    else if (event.key === "r") { if (live().length) refresh(); else location.reload(); }
    else if (event.key === "?") help.showModal();
  });
})();
