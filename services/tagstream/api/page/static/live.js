// Live updates: puts each event that the server sends on top of the list. Everything else on the
// page works without this file.
(() => {
  "use strict";
  const list = document.querySelector("[data-live]");
  if (!list || !window.EventSource) return;
  const state = document.querySelector("[data-live-state]");
  const most = Math.max(list.children.length, 100);
  let after = list.dataset.after;
  let source = null;

  const say = (text, kind) => {
    state.textContent = text;
    state.dataset.kind = kind;
  };

  const add = (event) => {
    after = event.lastEventId || after;
    const holder = document.createElement("template");
    // Rendered and escaped by the same templates as the rest of the page.
    holder.innerHTML = event.data;
    list.prepend(holder.content);
    while (list.children.length > most) list.lastElementChild.remove();
    document.querySelector("[data-live-empty]")?.remove();
  };

  const open = () => {
    const address = new URL(list.dataset.live, location.href);
    address.searchParams.set("after", after);
    source = new EventSource(address);
    source.onopen = () => say("Live", "on");
    source.onmessage = add;
    source.onerror = () => {
      const isOver = source.readyState === EventSource.CLOSED;
      say(isOver ? "Not live; reload the page" : "Connecting again …", "off");
    };
    source.addEventListener("beat", (event) => {
      after = event.lastEventId || after;
    });
    source.addEventListener("reload", () => {
      close();
      say("Not live, too much has happened since; reload the page", "off");
    });
    source.addEventListener("over", () => {
      close();
      say("Your session is over; reload the page to sign in", "off");
    });
  };

  const close = () => {
    source?.close();
    source = null;
  };

  // A browser has few connections for each server: tabs that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  if (!document.hidden) open();
})();
