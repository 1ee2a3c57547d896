"use strict";
// Shows swagger.json. Everything goes into the page as text, never as markup.

const DEPTH_MAX = 12;
const METHODS = ["get", "post", "put", "delete"];

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(document_, schema) {
  let found = schema;
  for (let i = 0; found.$ref && i < DEPTH_MAX; i++) {
    const target = found.$ref.slice(2).split("/").reduce((at, step) => at[step], document_);
    found = { ...target, ...found, $ref: target.$ref };
  }
  return found;
}

// The alternatives null and false are told by words; what is left is the schema.
function open(document_, schema) {
  let found = resolve(document_, schema);
  const also = [];
  if (found.anyOf) {
    const rest = found.anyOf.filter((a) => a.type !== "null" && a.const !== false);
    if (found.anyOf.some((a) => a.type === "null")) {
      also.push("null");
    }
    if (found.anyOf.some((a) => a.const === false)) {
      also.push("false");
    }
    if (rest.length === 1) {
      const { anyOf, ...beside } = found;
      found = { ...resolve(document_, rest[0]), ...beside };
    }
  }
  return { found, also };
}

function typeText(document_, schema, also) {
  let text = schema.type || "any";
  if (schema.type === "array" && schema.items) {
    text = "list of " + typeText(document_, open(document_, schema.items).found, []);
  }
  if (schema.format) {
    text += ` (${schema.format})`;
  }
  return [text, ...also].join(" or ");
}

function boundsText(schema) {
  const parts = [];
  const range = (low, high, unit) => {
    if (schema[low] !== undefined && schema[high] !== undefined) {
      parts.push(schema[low] === schema[high] ? `${schema[low]}${unit}` : `${schema[low]} to ${schema[high]}${unit}`);
    } else if (schema[low] !== undefined) {
      parts.push(`at least ${schema[low]}${unit}`);
    } else if (schema[high] !== undefined) {
      parts.push(`at most ${schema[high]}${unit}`);
    }
  };
  range("minimum", "maximum", "");
  range("minLength", "maxLength", " characters");
  range("minItems", "maxItems", " items");
  if (schema.enum) {
    parts.push("one of " + schema.enum.join(", "));
  }
  if (schema.default !== undefined) {
    parts.push("default " + JSON.stringify(schema.default));
  }
  return parts.join("; ");
}

function fieldLine(document_, name, schema, needed, depth) {
  const { found, also } = open(document_, schema);
  const bounds = boundsText(found);
  const line = element("li", {},
    element("code", {}, name), " ",
    element("span", { class: "type" }, typeText(document_, found, also)), " ",
    needed ? element("span", { class: "needed" }, "required ") : null,
    found.description ? found.description : null,
    bounds ? element("span", { class: "type" }, (found.description ? ". " : "") + bounds) : null);
  const inner = found.type === "array" && found.items ? open(document_, found.items).found : found;
  if (inner.properties && Object.keys(inner.properties).length > 0 && depth < DEPTH_MAX) {
    line.append(members(document_, inner, depth + 1));
  }
  return line;
}

function members(document_, schema, depth) {
  const required = schema.required || [];
  const list = element("ul", {}, ...Object.entries(schema.properties).map(
    ([name, child]) => fieldLine(document_, name, child, required.includes(name), depth)));
  if (depth < 2) {
    return list;
  }
  return element("details", {}, element("summary", {}, "members"), list);
}

function section(title, ...children) {
  return element("section", {}, element("h4", {}, title), ...children);
}

function example(media) {
  return media.example === undefined ? null : element("pre", {}, JSON.stringify(media.example, null, 2));
}

function bodySection(document_, title, holder) {
  if (!holder || !holder.content) {
    return null;
  }
  const [type, media] = Object.entries(holder.content)[0];
  const { found } = open(document_, media.schema || {});
  const shown = found.properties ? members(document_, found, 0) : element("p", { class: "type" }, type);
  return section(title, shown, example(media));
}

function parameterSection(document_, operation) {
  const asked = operation.parameters.filter((p) => p.in !== "header");
  if (asked.length === 0) {
    return null;
  }
  return section("Parameters", element("ul", {}, ...asked.map(
    (p) => fieldLine(document_, p.name, { ...p.schema, description: p.description }, p.required, 0))));
}

function article(document_, path, method, operation) {
  const permission = operation["x-permission"];
  const note = permission && permission.action ? `${permission.action} ${permission.group}` : permission ? permission.scope : "public";
  return element("article", { id: operation.operationId },
    element("header", {},
      element("h3", {}, element("span", { class: `method ${method}` }, method), " ", path),
      element("p", {}, operation.summary || "", " ", element("span", { class: "note" }, note), " ",
        operation.deprecated ? element("span", { class: "note" }, "deprecated") : null)),
    parameterSection(document_, operation),
    bodySection(document_, "Body", operation.requestBody),
    bodySection(document_, "Reply", operation.responses["200"]));
}

function show(document_) {
  const tags = new Map();
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((m) => item[m])) {
      const tag = (item[method].tags || ["Other"])[0];
      tags.set(tag, [...(tags.get(tag) || []), { path, method, operation: item[method] }]);
    }
  }
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  main.replaceChildren();
  document.getElementById("version").textContent = document_.info.version;
  for (const [tag, rows] of tags) {
    main.append(element("h2", {}, tag));
    index.append(element("h2", {}, tag));
    for (const { path, method, operation } of rows) {
      main.append(article(document_, path, method, operation));
      index.append(element("a", { href: "#" + operation.operationId, title: operation.summary || "" },
        element("span", { class: `method ${method}` }, method), element("span", {}, path)));
    }
  }
}

function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const link of document.querySelectorAll("#index a")) {
    const hay = (link.textContent + " " + link.title).toLowerCase();
    const is = hay.includes(wanted);
    link.hidden = !is;
    document.getElementById(link.hash.slice(1)).hidden = !is;
  }
  for (const box of [document.getElementById("index"), document.getElementById("main")]) {
    let head = null;
    for (const node of box.children) {
      if (node.tagName === "H2") {
        head = node;
        head.hidden = true;
      } else if (!node.hidden && head !== null) {
        head.hidden = false;
      }
    }
  }
}

async function begin() {
  const reply = await fetch("swagger.json");
  show(await reply.json());
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  if (location.hash) {
    const target = document.getElementById(location.hash.slice(1));
    if (target) {
      target.scrollIntoView();
    }
  }
}

begin().catch((error) => {
  document.getElementById("main").replaceChildren(element("p", {}, "swagger.json cannot be shown: " + error.message));
});
