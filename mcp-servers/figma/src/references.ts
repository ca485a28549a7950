import { Failure } from '@minimcp/runtime';
import * as z from 'zod';

/** A file as a caller names it: by its key, or by the address a person copied. */
export const file = z
  .string()
  .min(1)
  .max(2000)
  .describe('The key of a file, or its address: https://www.figma.com/design/KEY/…');

/** Nodes of a file. Addresses of Figma write `1-2` for the node `1:2`; both are taken. */
export const nodeId = z
  .string()
  .max(200)
  .regex(/^I?\d+[:-]\d+(;\d+[:-]\d+)*$/, 'is not the id of a node, such as 1:2')
  .describe('Such as 1:2');

/** Ids of teams and folders, which have more digits than a JSON number keeps. */
export const bigId = z.string().regex(/^\d{1,30}$/, 'is not an id: digits in quotes');

export interface FileReference {
  key: string;
  /** The node that the address points at. */
  nodeId?: string;
}

/**
 * The file that a caller named.
 * @throws Failure
 */
export function fileReference(text: string): FileReference {
  if (/^[A-Za-z0-9]+$/.test(text)) return { key: text };
  const url = URL.canParse(text) ? new URL(text) : null;
  const found = /^\/(?:file|design|board|slides|proto|make|buzz|site)\/([A-Za-z0-9]+)(?:\/branch\/([A-Za-z0-9]+))?/.exec(url?.pathname ?? '');
  if (url === null || found === null || !/^(www\.)?figma\.com$/.test(url.hostname)) {
    throw new Failure('invalid', 'file is neither the key of a file nor an address like https://www.figma.com/design/KEY/Name');
  }
  const node = nodeId.safeParse(url.searchParams.get('node-id'));
  return { key: found[2] ?? found[1]!, ...(node.success && { nodeId: withColons(node.data) }) };
}

/** The id as the API writes it. */
export function withColons(id: string): string {
  return id.replaceAll('-', ':');
}
