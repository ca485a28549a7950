import type * as z from 'zod';
import type { JsonObject } from './environment.ts';
import type { Log } from './log.ts';

/** What a tool gets beside its arguments. */
export interface Call<C> {
  credentials: C;
  /** The user's settings (CONFIG). */
  config: JsonObject;
  /** Where the vendor's API lives, without a slash at the end. */
  vendorUrl: string;
  /** The vendor's other addresses by name, as the server declares them in `vendor.others`. */
  vendorUrls: Readonly<Record<string, string>>;
  /** Aborted when the client left or cancelled, and at shutdown. */
  signal: AbortSignal;
  log: Log;
  /** Masks a token that was issued at run time in everything that is logged or reported from now on. */
  secret(value: string): void;
}

/** What a client may assume of a tool before it calls it. */
export interface Annotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
}

/** A tool as its author writes it. `run` throws a Failure for what its caller can do something about. */
export interface ToolDefinition<I extends z.ZodObject, O extends z.ZodObject, C> {
  name: string;
  title: string;
  description: string;
  annotations: Annotations;
  input: I;
  output: O;
  run(args: z.infer<I>, call: Call<C>): Promise<z.input<O>>;
}

/** A tool whose argument types have been checked and forgotten. */
export interface Tool<C> {
  name: string;
  title: string;
  description: string;
  annotations: Annotations;
  input: z.ZodObject;
  output: z.ZodObject;
  run(args: unknown, call: Call<C>): Promise<JsonObject>;
}

/** Declares a tool; the arguments and the result of `run` have the types of the two schemas. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject, C>(
  definition: ToolDefinition<I, O, C>,
): Tool<C> {
  return definition as unknown as Tool<C>;
}
