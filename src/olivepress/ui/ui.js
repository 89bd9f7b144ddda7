// Reads the page again while it is looked at, and replaces the parts that change. Without this script: reload it.
"use strict";
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const lost = document.getElementById("lost");
  let answered = new Date();

  function replace(part, fresh) {
    if (!fresh || part.innerHTML === fresh.innerHTML) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const log = part.querySelector("pre");
    const atEnd = log && log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const top = log ? log.scrollTop : 0;
    part.innerHTML = fresh.innerHTML;
    const now = part.querySelector("pre");
    if (now) now.scrollTop = atEnd ? now.scrollHeight : top;
    if (focused) [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  }

  async function read() {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(15000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) throw new Error(page.querySelector("main p")?.textContent ?? `${answer.status}`);
    for (const part of parts()) replace(part, page.getElementById(part.id));
    document.title = page.title;
    answered = new Date();
    lost.hidden = true;
  }

  async function again(seconds) {
    let wait = seconds;
    if (!document.hidden) {
      try {
        await read();
      } catch {
        lost.textContent = `No answer from olivepress ui. This is the state of ${answered.toLocaleTimeString()}.`;
        lost.hidden = false;
        wait = Math.min(30, seconds * 5);
      }
    }
    setTimeout(() => again(seconds), wait * 1000);
  }

  for (const log of document.querySelectorAll("pre.ui-log")) log.scrollTop = log.scrollHeight;
  if (parts().length) {
    const seconds = Math.min(...parts().map((part) => Number(part.dataset.live)));
    setTimeout(() => again(seconds), seconds * 1000);
  }
})();
