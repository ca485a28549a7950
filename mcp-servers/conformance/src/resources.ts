import { ResourceNotFoundError, type ReadResourceResult } from '@modelcontextprotocol/server';
import { RED_PIXEL } from './media.ts';

const TEXT = {
  uri: 'test://static-text',
  name: 'static-text',
  description: 'A text that never changes',
  mimeType: 'text/plain',
};
const BINARY = {
  uri: 'test://static-binary',
  name: 'static-binary',
  description: 'A picture of one pixel',
  mimeType: 'image/png',
};
const WATCHED = {
  uri: 'test://watched-resource',
  name: 'watched-resource',
  description: 'Something that can be subscribed to',
  mimeType: 'text/plain',
};

export const resources = [TEXT, BINARY, WATCHED];

export const templates = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'template-data',
    description: 'The data of one id',
    mimeType: 'application/json',
  },
];

const FROM_TEMPLATE = /^test:\/\/template\/([^/]+)\/data$/;

/** @throws ResourceNotFoundError when no resource and no template has the address */
export function readResource(uri: string): ReadResourceResult {
  const id = FROM_TEMPLATE.exec(uri)?.[1];
  if (id !== undefined) {
    const text = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { contents: [{ uri, mimeType: 'application/json', text }] };
  }
  switch (uri) {
    case TEXT.uri:
      return { contents: [{ uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }] };
    case BINARY.uri:
      return { contents: [{ uri, mimeType: 'image/png', blob: RED_PIXEL }] };
    case WATCHED.uri:
      return { contents: [{ uri, mimeType: 'text/plain', text: 'Watched' }] };
    default:
      throw new ResourceNotFoundError(uri);
  }
}
