import { createPrivateKey } from 'node:crypto';
import * as z from 'zod';

const token = z.string().trim().regex(/^\S+$/, 'is empty or holds white space');

/** Keys that went through a form or a variable often have their line ends written out. */
const privateKey = z
  .string()
  .transform((pem) => pem.replaceAll('\\n', '\n').trim())
  .refine(isPrivateKey, 'is not a private key in PEM format');

/** A personal access token, or a GitHub App; the token wins where both are given. */
export const Credentials = z
  .object({
    personal_access_token: token.optional(),
    app_id: z.union([z.string().trim().regex(/^\d+$/, 'is not a number'), z.int().positive()]).optional(),
    private_key: privateKey.optional(),
  })
  .refine(
    ({ personal_access_token, app_id, private_key }) =>
      personal_access_token !== undefined || (app_id !== undefined && private_key !== undefined),
    'needs personal_access_token, or app_id and private_key',
  );

export type Credentials = z.infer<typeof Credentials>;

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === 'private';
  } catch {
    return false;
  }
}
