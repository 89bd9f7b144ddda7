"use strict";
(() => {
  const sheet = JSON.parse(document.getElementById("sheet").textContent);
  const element = (id) => document.getElementById(id);
  const place = "olivepress-abtest-" + sheet.id;
  const newSession = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  const state = { session: newSession(), rater: "", votes: {}, at: 0 };

  // A browser may refuse to store anything for a page that is a file: then votes last as long as the page is open.
  try {
    const stored = JSON.parse(localStorage.getItem(place) || "null");
    if (stored && typeof stored === "object") Object.assign(state, stored);
  } catch (error) { /* nothing is stored */ }
  const store = () => { try { localStorage.setItem(place, JSON.stringify(state)); } catch (error) { /* as above */ } };

  const done = () => sheet.items.filter((item) => state.votes[item.id]).length;
  const show = () => {
    const item = sheet.items[state.at];
    for (const [id, text] of [["prompt", item.prompt], ["left", item.left], ["right", item.right]]) {
      const box = element(id).querySelector("pre");
      box.textContent = text || "(an empty answer)";
      box.scrollTop = 0;
    }
    const vote = state.votes[item.id];
    for (const button of document.querySelectorAll("[data-vote]")) {
      button.setAttribute("aria-pressed", String(button.dataset.vote === vote));
    }
    for (const side of ["left", "right"]) element(side).classList.toggle("chosen", vote === side);
    element("progress").value = done();
    element("count").textContent = `${state.at + 1} of ${sheet.items.length}, ${done()} voted`;
    element("back").disabled = state.at === 0;
    element("forward").disabled = state.at === sheet.items.length - 1;
    element("open").disabled = done() === sheet.items.length;
    store();
  };
  const go = (to) => { state.at = Math.min(Math.max(to, 0), sheet.items.length - 1); show(); };
  const vote = (choice) => {
    state.votes[sheet.items[state.at].id] = choice;
    element("message").textContent = done() === sheet.items.length ? "Every prompt has a vote: save them." : "";
    go(state.at + 1);
  };
  const nextOpen = () => {
    const order = [...sheet.items.keys()].map((step) => (state.at + 1 + step) % sheet.items.length);
    const open = order.find((index) => !state.votes[sheet.items[index].id]);
    if (open !== undefined) go(open);
  };

  // FNV-1a of 64 bits: shows that a file was changed after it was saved, unless somebody computes it again.
  const checksum = (text) => {
    let value = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(text)) value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
    return value.toString(16).padStart(16, "0");
  };
  const filled = () => {
    const votes = sheet.items.filter((item) => state.votes[item.id]).map((item) => ({ item: item.id, vote: state.votes[item.id] }));
    const lines = [sheet.id, state.session, state.rater, new Date().toISOString()];
    return {
      format: "olivepress-abtest-filled", version: 1, sheet: lines[0], session: lines[1], rater: lines[2], saved_at: lines[3],
      votes, check: checksum([...lines, ...votes.map((each) => `${each.item}=${each.vote}`)].join("\n")),
    };
  };
  const save = () => {
    state.rater = element("rater").value.trim().replace(/\s+/g, " ");
    if (!state.rater) {
      element("message").textContent = "Type your name or initials first.";
      element("rater").focus();
      return;
    }
    if (!done()) {
      element("message").textContent = "There is no vote to save yet.";
      return;
    }
    store();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(filled(), null, 1) + "\n"], { type: "application/json" }));
    const name = state.rater.replace(/[^\p{L}\p{N}_-]+/gu, "-").slice(0, 40) || "rater";
    link.download = `votes-${sheet.id.slice(0, 8)}-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    const missing = sheet.items.length - done();
    element("message").textContent = `Saved as ${link.download}` + (missing ? `; ${missing} prompts have no vote yet.` : ". Send that file back.");
  };

  for (const button of document.querySelectorAll("[data-vote]")) button.addEventListener("click", () => vote(button.dataset.vote));
  element("back").addEventListener("click", () => go(state.at - 1));
  element("forward").addEventListener("click", () => go(state.at + 1));
  element("open").addEventListener("click", nextOpen);
  element("save").addEventListener("click", save);
  element("rater").addEventListener("input", () => { state.rater = element("rater").value; store(); });
  document.addEventListener("keydown", (event) => {
    if (event.target === element("rater") || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = { 1: "left", 2: "tie", 3: "right" }[event.key];
    if (choice) vote(choice);
    else if (event.key === "ArrowLeft") go(state.at - 1);
    else if (event.key === "ArrowRight") go(state.at + 1);
  });
  element("rater").value = state.rater;
  element("main").hidden = false;
  go(state.at);
})();
