// One team with seven folders, and one file with two pages.
import type { Component, Comment, FrameNode, GetFileNodesResponse, GetFileResponse, Node, TextNode } from '@figma/rest-api-spec';
import type { Described } from './description.ts';

/** A status and a body, as Figma answers them. */
export interface Answer {
  status?: number;
  body: unknown;
}

export const FILE = 'AbCdEf123456';
export const TEAM = '1535685101263221741';

const box = (width: number, height: number) => ({ x: 0, y: 0, width, height });
const layer = { scrollBehavior: 'SCROLLS' as const, blendMode: 'PASS_THROUGH' as const, effects: [], fills: [] };

const headline = {
  ...layer,
  id: '1:3',
  name: 'Headline',
  type: 'TEXT',
  absoluteBoundingBox: box(200.4, 40),
  absoluteRenderBounds: null,
  characters: 'Grüße',
  style: { fontFamily: 'Inter', fontSize: 32 },
  characterStyleOverrides: [],
  styleOverrideTable: {},
  lineTypes: ['NONE'],
  lineIndentations: [0],
} as unknown as TextNode;

const frame = (id: string, name: string, children: Node[]): FrameNode =>
  ({
    ...layer,
    id,
    name,
    type: 'FRAME',
    clipsContent: true,
    absoluteBoundingBox: box(1440, 900),
    absoluteRenderBounds: null,
    children,
  }) as unknown as FrameNode;

const card = frame('1:2', 'Card', [headline as Node]);
const home = frame('1:1', 'Home', [card as Node]);

const page = (id: string, name: string, children: Node[]): Node =>
  ({
    id,
    name,
    type: 'CANVAS',
    scrollBehavior: 'SCROLLS',
    backgroundColor: { r: 1, g: 1, b: 1, a: 1 },
    flowStartingPoints: [],
    prototypeDevice: { type: 'NONE', rotation: 'NONE' },
    prototypeStartNodeID: null,
    children,
  }) as unknown as Node;

const pages = [page('0:1', 'Design', [home as Node]), page('0:2', 'Archive', [])];

const described = {
  name: 'Website',
  role: 'editor',
  lastModified: '2026-11-01T10:00:00Z',
  editorType: 'figma',
  thumbnailUrl: 'https://images.example/thumbnail.png',
  version: '2230',
} as const;

const button: Component = { key: 'c'.repeat(40), name: 'Button', description: 'Press it', documentationLinks: [], remote: false };
const parts = { components: { '5:1': button }, componentSets: {}, schemaVersion: 0, styles: {} };

const comment = (id: string, message: string, day: number, more: Partial<Comment> = {}): Comment => ({
  id,
  message,
  file_key: FILE,
  user: { id: '7', handle: 'Ada', img_url: 'https://images.example/ada.png' },
  created_at: `2026-11-0${day}T12:00:00Z`,
  resolved_at: null,
  order_id: '1',
  reactions: [],
  client_meta: { node_id: '1:2', node_offset: { x: 1, y: 2 } },
  ...more,
});

const comments = [
  comment('10', 'Too blue', 1, { resolved_at: '2026-11-04T12:00:00Z' }),
  comment('11', 'Greener now', 2, { parent_id: '10', order_id: null }),
  comment('12', 'Where is the logo?', 3, { client_meta: { x: 5, y: 6 } }),
];

const folders = [1, 2, 3, 4, 5, 6, 7].map((number) => ({ id: `80${number}`, name: `Folder ${number}`, parent_folder_id: null }));

const notFound: Answer = { status: 404, body: { status: 404, err: 'Not found' } };

/** The node and what lies below it down to `depth` levels. */
function cut<T extends { children?: readonly unknown[] }>(node: T, depth: number): T {
  if (!node.children) return node;
  const { children, ...alone } = node;
  return (depth === 0 ? { ...alone, children: [] } : { ...node, children: children.map((child) => cut(child as T, depth - 1)) }) as T;
}

function nodes({ query }: Described): Answer {
  const known: Record<string, Node> = { '0:1': pages[0]!, '0:2': pages[1]!, '1:1': home, '1:2': card, '1:3': headline };
  const found = String(query['ids']).split(',').map((id) => {
    const node = known[id] && cut(known[id] as { children?: Node[] }, Number(query['depth'] ?? 99));
    return [id, node ? { document: node, ...parts } : null];
  });
  return { body: { ...described, nodes: Object.fromEntries(found) as GetFileNodesResponse['nodes'] } };
}

function wholeFile({ query }: Described): Answer {
  const document = { id: '0:0', name: 'Document', type: 'DOCUMENT' as const, scrollBehavior: 'SCROLLS' as const, children: pages };
  return { body: { ...described, document: cut(document, Number(query['depth'] ?? 99)), ...parts } as unknown as GetFileResponse };
}

function images({ query }: Described): Answer {
  const rendered = String(query['ids']).split(',').map((id) => {
    const url = `https://images.example/${encodeURIComponent(id)}.${query['format']}`;
    return [id, /^1:[123]$/.test(id) ? url : null];
  });
  return { body: { err: null, images: Object.fromEntries(rendered) } };
}

function posted({ body }: Described): Answer {
  const { message, comment_id, client_meta = { x: 0, y: 0 } } = body as { message: string; comment_id?: string; client_meta?: Comment['client_meta'] };
  return { body: comment('13', message, 5, { client_meta, ...(comment_id && { parent_id: comment_id, order_id: null }) }) };
}

const ofFile = (answer: (asked: Described) => Answer) => (asked: Described) =>
  asked.path['file_key'] === FILE ? answer(asked) : notFound;

/** The usual answer of each operation that the tools use. */
export const answers: Record<string, (asked: Described) => Answer> = {
  getMe: () => ({ body: { id: '7', handle: 'Ada', img_url: 'https://images.example/ada.png', email: 'ada@example.com' } }),
  getTeamFolders: ({ path }) => (path['team_id'] === TEAM ? { body: { name: 'Designers', folders } } : notFound),
  getFolderFolders: ({ path: { folder_id } }) => {
    const below = folder_id === '801' ? [{ id: '901', name: 'Drafts', parent_folder_id: '801' }] : [];
    return folders.some(({ id }) => id === folder_id) ? { body: { name: `Folder ${folder_id!.slice(2)}`, folders: below } } : notFound;
  },
  getFolderFiles: ({ path: { folder_id } }) => {
    const file = { key: FILE, name: `File of ${folder_id}`, last_modified: '2026-11-01T10:00:00Z' };
    return folders.some(({ id }) => id === folder_id) ? { body: { name: `Folder ${folder_id!.slice(2)}`, files: [file] } } : notFound;
  },
  getFile: ofFile(wholeFile),
  getFileNodes: ofFile(nodes),
  getImages: ofFile(images),
  getComments: ofFile(() => ({ body: { comments } })),
  postComment: ofFile(posted),
};
