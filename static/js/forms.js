/* Buttons and forms that ask the server to do something. What they hold goes as {do, ..., n} into
   the dcc.Store that data-acts of an element around them names, and its callback does it once:
     <button data-act='{"do": "end-session", "session": "..."}' data-confirm="End it?">
     <form data-act='{"do": "change-password"}'> with fields that have names. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  let asked = 0;
  let waiting = []; // controls that rest until the server has answered

  function send(control, values) {
    const store = control.closest("[data-acts]").dataset.acts;
    asked += 1;
    waiting.push(control);
    control.disabled = true;
    mlt.set(store, { data: { ...values, n: asked } });
  }

  function rest() {
    for (const control of waiting) control.disabled = false;
    waiting = [];
  }
  document.addEventListener("mlt:answered", rest);

  function act(source, control) {
    if (control.disabled) return;
    const values = JSON.parse(source.dataset.act);
    if (source.tagName !== "FORM") return send(control, values);
    if (control.dataset.do) values.do = control.dataset.do; // a second button of the form
    for (const [name, value] of new FormData(source)) values[name] = value;
    send(control, values);
    for (const field of source.querySelectorAll("input[type=password]")) field.value = "";
  }

  /* Ask before what can not be undone. The dialog is the browser's own element, so that Esc, the
     focus and screen readers work as everywhere. */
  function confirmed(question, then) {
    const dialog = document.createElement("dialog");
    const text = document.createElement("p");
    const buttons = document.createElement("div");
    text.textContent = question;
    buttons.className = "dialog-buttons";
    dialog.className = "confirm-dialog";
    dialog.setAttribute("aria-label", question);
    for (const [name, answer] of [["Cancel", false], ["Yes", true]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = answer ? "button button-danger confirm-yes" : "button";
      button.textContent = name;
      button.addEventListener("click", () => dialog.close(answer ? "yes" : ""));
      buttons.append(button);
    }
    dialog.append(text, buttons);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue === "yes") then();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  function begin(source, control) {
    const question = source.dataset.confirm;
    if (question) confirmed(question, () => act(source, control));
    else act(source, control);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button[data-act]");
    if (button) begin(button, button);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset) return;
    if (form.dataset.act) {
      event.preventDefault();
      begin(form, event.submitter || form.querySelector("button[type=submit]"));
    } else if (form.dataset.query !== undefined) {
      event.preventDefault(); // a search edits the address, as every view does
      const changes = JSON.parse(form.dataset.query || "{}");
      for (const [name, value] of new FormData(form)) changes[name] = value.trim();
      mlt.patchQuery(changes);
    }
  });

  /* What is there for some choices only (acts.py, chosen_only): <fieldset data-of="line"
     data-when="rsi">. A disabled fieldset sends nothing. */
  document.addEventListener("change", (event) => {
    const choice = event.target;
    if (choice.tagName !== "SELECT" || !choice.form) return;
    for (const part of choice.form.querySelectorAll("fieldset[data-of]")) {
      if (part.dataset.of !== choice.name) continue;
      part.hidden = part.disabled = !part.dataset.when.split(" ").includes(choice.value);
    }
  });

  /* <button data-post="/logout"> leaves the page by a form, with the token that forms carry. */
  function leave(action) {
    const token = document.cookie.match(/(?:^|; )(?:__Host-)?csrf=([^;]*)/);
    const form = document.createElement("form");
    const field = document.createElement("input");
    form.method = "post";
    form.action = action;
    field.type = "hidden";
    field.name = "csrf_token";
    field.value = token ? decodeURIComponent(token[1]) : "";
    form.append(field);
    document.body.append(form);
    form.submit();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button[data-post]");
    if (button) leave(button.dataset.post);
    const menu = document.getElementById("user-menu");
    if (menu && menu.open && !event.target.closest("#user-menu summary")) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    const menu = document.getElementById("user-menu");
    if (event.key === "Escape" && menu && menu.open) menu.open = false;
  });

  /* What the server answered: the parts of the page to draw anew. */
  callbacks.partsDrawn = (parts) => {
    for (const [id, nodes] of Object.entries(parts || {})) {
      const container = document.getElementById(id);
      if (container) mlt.draw(container, nodes);
    }
    rest();
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      mlt.toast("Copied");
    } catch {
      mlt.toast("The browser does not allow copying; select the text instead", "error");
    }
  });
})();
