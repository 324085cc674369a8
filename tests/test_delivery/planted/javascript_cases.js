// Cases for delivery/rules/javascript.yml: a line after `// bad: RULE` has to be found, no other.
function html(node, name) {
  // bad: html-from-text-js
  node.innerHTML = "<b>" + name + "</b>";
  // bad: html-from-text-js
  node.insertAdjacentHTML("beforeend", name);
  // bad: html-from-text-js
  document.write(name);
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
  setTimeout(act, 10);
  return [JSON.parse(text), made];
}

function open_page(url) {
  // bad: window-without-noopener
  window.open(url);
  window.open(url, "_blank", "noopener,noreferrer");
}
