import * as z from 'zod';

/** The arguments of a tool that lists along a cursor. */
export const cursorArguments = {
  limit: z.int().min(1).max(999).default(100).describe('At most so many; there may be fewer though more follow'),
  cursor: z.string().min(1).optional().describe('The next_cursor of the answer before; left out for the beginning'),
};

/** What such a tool says of what follows. */
export const nextCursor = z.string().nullable().describe('The cursor to go on from; null at the end');

/** Answers of Slack that may go on. At the end the cursor is empty or not there. */
export const Continued = z.object({
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/** Where such an answer goes on. */
export function continuation({ response_metadata: about }: z.infer<typeof Continued>): string | null {
  return about?.next_cursor || null;
}

/** The arguments of a tool that lists in pages. */
export const pageArguments = {
  page: z.int().min(1).default(1).describe('Which page, from 1'),
  count: z.int().min(1).max(100).default(20).describe('How many on a page, at most 100'),
};

export const nextPage = z.int().nullable().describe('The page to ask for next; null on the last one');

/** The page of the whole that Slack answered with. */
export const Paging = z.object({ page: z.int(), pages: z.int() });

/** The page after it. */
export function pageAfter({ page, pages }: z.infer<typeof Paging>): number | null {
  return page < pages ? page + 1 : null;
}
