/* Draws what dashboard/markup.py describes: a text, or [tag, {attribute: value}, child, ...].
   Everything becomes elements and text nodes; only harmless tags, attributes and addresses pass. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const TAGS = new Set(
    "a button div span table thead tbody tr th td section h2 h3 p code form fieldset label input select option img details summary pre".split(" "),
  );
  const ATTRIBUTES =
    /^(class|id|title|type|role|scope|colspan|tabindex|href|download|for|name|value|placeholder|autocomplete|inputmode|required|hidden|min|max|step|minlength|maxlength|selected|disabled|alt|width|height|aria-[a-z]+|data-[a-z]+)$/;
  const PICTURE = /^data:image\/svg\+xml;base64,[A-Za-z0-9+/=]+$/; // made by our server; an img runs no script

  function make(node) {
    if (typeof node === "string") return document.createTextNode(node);
    const [tag, attributes, ...children] = node;
    if (!TAGS.has(tag)) throw new Error(`markup: no <${tag}>`);
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("var-")) element.style.setProperty("--" + name.slice(4), value);
      else if (name === "src" && tag === "img" && PICTURE.test(value)) element.src = value;
      else if (!ATTRIBUTES.test(name)) throw new Error(`markup: no attribute ${name}`);
      else if (name !== "href" || /^\/(?!\/)/.test(value)) element.setAttribute(name, value);
    }
    element.append(...children.map(make));
    return element;
  }

  /* Replace what `container` holds; the focus stays on the element of the same id. */
  mlt.draw = (container, nodes) => {
    const active = document.activeElement;
    const kept = container.contains(active) && active.id;
    container.replaceChildren(...nodes.map(make));
    const again = kept && document.getElementById(kept);
    if (again) again.focus({ preventScroll: true });
  };
})();
