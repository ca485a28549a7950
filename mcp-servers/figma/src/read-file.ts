import { defineTool, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { Node, outline, readable } from './nodes.ts';
import { file, fileReference, nodeId, withColons } from './references.ts';

const named = z.record(z.string(), z.object({ key: z.string(), name: z.string(), description: z.string() }));

const Parts = z.object({ components: named, styles: named });

const Described = z.object({
  name: z.string(),
  lastModified: z.string(),
  version: z.string(),
  editorType: z.string(),
  role: z.string(),
});

const WholeFile = Described.extend({ document: Node, ...Parts.shape });
const SomeNodes = Described.extend({ nodes: z.record(z.string(), Parts.extend({ document: Node }).nullable()) });

export const readFile = defineTool({
  name: 'read_file',
  title: 'Read a file',
  description:
    'Reads the tree of layers of a file, or of some nodes in it. Begin with the defaults (pages and what lies directly on them), then ask for the nodes of interest with node_ids and more depth.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    file,
    node_ids: z.array(nodeId).min(1).max(50).optional().describe('Only these; the node of the address if it names one'),
    depth: z.int().min(1).max(50).default(2).describe('How many levels below the file or the nodes; 1 is the pages only'),
    detail: z.enum(['outline', 'full']).default('outline').describe('full has all properties: fills, layout, styles'),
    version: z.string().min(1).max(100).optional().describe('An older version of the file'),
  }),
  output: z.object({
    key: z.string(),
    name: z.string(),
    last_modified: z.string(),
    version: z.string(),
    editor_type: z.string().describe('figma, figjam and others'),
    role: z.string().describe('What the credentials may do with the file: owner, editor or viewer'),
    nodes: z.array(Node).describe('The document, or the nodes that were asked for'),
    missing: z.array(z.string()).describe('Nodes that the file does not have'),
    components: named.optional().describe('What componentId refers to, with detail full'),
    styles: named.optional().describe('What styles refer to, with detail full'),
  }),
  run: async (args, call: Call<Credentials>) => {
    const { key, nodeId } = fileReference(args.file);
    const ids = args.node_ids?.map(withColons) ?? (nodeId && [nodeId]);
    const query = { depth: args.depth, version: args.version };
    const { described, found, missing } = ids ? await some(call, key, ids, query) : await whole(call, key, query);
    const { name, lastModified, version, editorType, role } = described;
    const full = args.detail === 'full';
    return readable({
      key,
      name,
      last_modified: lastModified,
      version,
      editor_type: editorType,
      role,
      nodes: found.map(({ document }) => (full ? document : outline(document))),
      missing,
      ...(full && {
        components: Object.assign({}, ...found.map(({ components }) => components)),
        styles: Object.assign({}, ...found.map(({ styles }) => styles)),
      }),
    });
  },
});

type Query = { depth: number; version: string | undefined };

async function whole(call: Call<Credentials>, key: string, query: Query) {
  const found = await ask(call, { path: path`/v1/files/${key}`, query }, WholeFile);
  return { described: found, found: [found], missing: [] };
}

async function some(call: Call<Credentials>, key: string, ids: string[], query: Query) {
  const request = { path: path`/v1/files/${key}/nodes`, query: { ids: ids.join(','), ...query } };
  const { nodes, ...described } = await ask(call, request, SomeNodes);
  const found = ids.flatMap((id) => nodes[id] ?? []);
  return { described, found, missing: ids.filter((id) => !nodes[id]) };
}
