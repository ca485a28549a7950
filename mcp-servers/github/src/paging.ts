import * as z from 'zod';

/** The arguments of a tool that lists in pages. */
export const pageArguments = {
  page: z.int().min(1).default(1).describe('Which page, from 1'),
  per_page: z.int().min(1).max(100).default(30).describe('How many on a page, at most 100'),
};

/** What such a tool says of the pages that follow. */
export const nextPage = z.int().nullable().describe('The page to ask for next; null on the last one');

/** Whose repository, and which. */
export const repository = {
  owner: z.string().min(1).describe('The user or organisation that owns the repository'),
  repo: z.string().min(1).describe('The name of the repository without its owner'),
};
