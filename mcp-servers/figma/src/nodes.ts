import { Failure } from '@minimcp/runtime';
import * as z from 'zod';

/** The largest answer with nodes, in characters of JSON: an agent reads it at once. */
const MAX_ANSWER = 200_000;

/** The longest text that an outline shows of a text node, in characters. */
const MAX_TEXT = 2_000;

/** A node as Figma gives it. What it holds beyond this depends on its type. */
export const Node = z.looseObject({ id: z.string(), name: z.string(), type: z.string() });
export type Node = z.infer<typeof Node>;

/** What a reader needs to find the way: who is where, how large, and what it says. */
export function outline(node: Node): Node {
  const { id, name, type, visible, characters, componentId, absoluteBoundingBox: box, children } = node;
  return {
    id,
    name,
    type,
    ...(visible === false && { visible }),
    ...(typeof characters === 'string' && { characters: characters.slice(0, MAX_TEXT) }),
    ...(componentId !== undefined && { componentId }),
    ...(isBox(box) && { size: `${Math.round(box.width)} x ${Math.round(box.height)}` }),
    ...(Array.isArray(children) && { children: children.filter(isNode).map(outline) }),
  };
}

/**
 * The answer, if it is one that can be read at once.
 * @throws Failure that says how to ask for less
 */
export function readable<T>(answer: T): T {
  const { length } = JSON.stringify(answer);
  if (length <= MAX_ANSWER) return answer;
  throw new Failure(
    'invalid',
    `The answer has ${length} characters, and ${MAX_ANSWER} are the most: ask with a smaller depth, for some node_ids only, or with detail outline`,
  );
}

function isNode(value: unknown): value is Node {
  return Node.safeParse(value).success;
}

function isBox(value: unknown): value is { width: number; height: number } {
  const { width, height } = (value ?? {}) as Record<string, unknown>;
  return typeof width === 'number' && typeof height === 'number';
}
