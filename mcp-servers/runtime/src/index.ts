export type { JsonObject } from './environment.ts';
export { Failure, type FailureKind } from './failure.ts';
export { serve, type ServerDefinition, type VendorAddress } from './serve.ts';
export { defineTool, type Annotations, type Call, type Tool, type ToolDefinition } from './tool.ts';
