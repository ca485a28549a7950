import { defineTool, Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { file, fileReference, nodeId, withColons } from './references.ts';

const Images = z.object({ err: z.string().nullish(), images: z.record(z.string(), z.string().nullable()) });

export const exportAssets = defineTool({
  name: 'export_assets',
  title: 'Export assets',
  description:
    'Renders nodes of a file as images and answers the addresses to download them from, which work without credentials for 30 days. Images of more than 32 megapixels are scaled down.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    file,
    node_ids: z.array(nodeId).min(1).max(50).optional().describe('Needed unless the address names a node'),
    format: z.enum(['png', 'jpg', 'svg', 'pdf']).default('png'),
    scale: z.number().min(0.01).max(4).optional().describe('1 if left out'),
    version: z.string().min(1).max(100).optional().describe('An older version of the file'),
  }),
  output: z.object({
    images: z.array(z.object({ node_id: z.string(), url: z.string() })),
    failed: z.array(z.string()).describe('Nodes that could not be rendered: they do not exist, or show nothing'),
  }),
  run: async ({ file, node_ids, format, scale, version }, call: Call<Credentials>) => {
    const { key, nodeId } = fileReference(file);
    const ids = node_ids?.map(withColons) ?? (nodeId && [nodeId]);
    if (!ids) throw new Failure('invalid', 'Which nodes? Give node_ids; read_file says which there are');
    const query = { ids: ids.join(','), format, scale, version };
    const { err, images } = await ask(call, { path: path`/v1/images/${key}`, query }, Images);
    if (err) throw new Failure('invalid', `Figma could not render this: ${err.slice(0, 500)}`);
    const rendered = ids.flatMap((node_id) => (images[node_id] ? { node_id, url: images[node_id] } : []));
    if (rendered.length === 0) {
      throw new Failure('not_found', 'Figma rendered none of these nodes: they do not exist, or show nothing');
    }
    return { images: rendered, failed: ids.filter((id) => !images[id]) };
  },
});
