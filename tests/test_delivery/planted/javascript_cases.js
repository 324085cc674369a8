// Cases for delivery/rules/javascript.yml: a line after `// bad: RULE` has to be found, no other; that
// after `// good: RULE` is what one writes instead.
function html(node, name) {
  // bad: html-from-text-js
  node.innerHTML = "<b>" + name + "</b>";
  // bad: html-from-text-js
  node.insertAdjacentHTML("beforeend", name);
  // bad: html-from-text-js
  document.write(name);
  // good: html-from-text-js
  node.textContent = name;
  node.innerHTML = "";
}

function code(text, act) {
  // bad: code-from-text-js
  eval(text);
  // bad: code-from-text-js
  const made = new Function(text);
  // bad: code-from-text-js
  setTimeout("act()", 10);
  // good: code-from-text-js
  setTimeout(act, 10);
  return [JSON.parse(text), made];
}

function open_page(url) {
  // bad: window-without-noopener
  window.open(url);
  // good: window-without-noopener
  window.open(url, "_blank", "noopener,noreferrer");
}
