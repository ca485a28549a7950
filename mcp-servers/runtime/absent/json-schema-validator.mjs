// Takes the place of the SDK's JSON Schema validator in the bundles. The SDK checks with it what a user typed into a form
// that a tool asked for; no tool asks, and all schemas of tools are zod's.
export { default as process } from 'node:process';

export class DefaultJsonSchemaValidator {
  getValidator() {
    throw new Error('Validation against JSON Schema is left out of the bundles');
  }
}
