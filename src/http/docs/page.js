'use strict';

// Only text nodes are made of what the document says, so nothing in it can become markup.
function node(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function row(cell, ...texts) {
  return node('tr', ...texts.map((text) => node(cell, text ?? '')));
}

function typeOf(schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items)}`;
  const kind = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'any');
  return schema.format ? `${kind} (${schema.format})` : kind;
}

function fields(api, schema) {
  const name = schema?.$ref?.split('/').pop();
  const target = name ? api.components.schemas[name] : schema;
  const parts = target?.allOf ?? [target];
  const rows = parts.flatMap((part) => {
    const known = part?.$ref ? api.components.schemas[part.$ref.split('/').pop()] : part;
    return Object.entries(known?.properties ?? {}).map(([field, value]) => {
      const needed = known.required?.includes(field) ? '' : 'optional';
      return row('td', field, typeOf(value), needed, value.description);
    });
  });
  return rows.length > 0 ? [node('table', row('th', name ?? 'field', 'type', '', ''), ...rows)] : [];
}

function bodyOf(content) {
  return Object.values(content ?? {})[0]?.schema;
}

function operation(api, path, method, described) {
  const title = node('summary', node('b', method.toUpperCase()), node('code', path), ` ${described.summary ?? ''}`);
  const details = node('details', title);
  if (described.description) details.append(node('p', described.description));
  const parameters = described.parameters ?? [];
  if (parameters.length > 0) {
    const rows = parameters.map((p) => row('td', p.name, p.in, typeOf(p.schema), p.description));
    details.append(node('table', row('th', 'parameter', 'in', 'type', ''), ...rows));
  }
  const request = bodyOf(described.requestBody?.content);
  if (request) details.append(node('h3', 'Request'), ...fields(api, request));
  details.append(node('h3', 'Answers'));
  for (const [status, answer] of Object.entries(described.responses ?? {})) {
    const schema = bodyOf(answer.content);
    details.append(node('p', node('code', status), ` ${typeOf(schema)}`));
    if (status < 300) details.append(...fields(api, schema));
  }
  details.dataset.text = `${method} ${path} ${JSON.stringify(described)}`.toLowerCase();
  return details;
}

function show(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, described] of Object.entries(item)) {
      const tag = described.tags?.[0] ?? 'other';
      if (!groups.has(tag)) groups.set(tag, node('section', node('h2', tag)));
      groups.get(tag).append(operation(api, path, method, described));
    }
  }
  document.getElementById('routes').replaceChildren(...groups.values());
}

document.getElementById('find').addEventListener('input', (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const details of document.querySelectorAll('details')) {
    details.hidden = !details.dataset.text.includes(wanted);
  }
});

fetch('/openapi.json')
  .then((response) => response.json())
  .then(show)
  .catch((error) => {
    document.getElementById('routes').textContent = `The document could not be read: ${error.message}`;
  });
