/**
 * The public API of the package: what is named here is kept stable, everything else may change at any time.
 *
 * Most installations need none of it: `konstruct serve` and a konstruct.yaml are enough. It is for programs that run
 * Konstruct inside themselves, and for those who add a channel or a tool (`examples/`).
 */
export type { App } from './app.ts';
export { startApp } from './app.ts';
export type { AppOptions, AppTiming } from './app-options.ts';
export { splitMarkdown } from './channels/split-markdown.ts';
export type {
  Channel,
  ChannelCapabilities,
  ChannelIdentity,
  ChannelInstallation,
  ChannelRequest,
  ChannelSubscription,
  ConnectionFinding,
  ExaminedEnvironment,
  InstalledApp,
  IssuedCredentials,
  ParsedRequest,
  WebhookAnswer,
} from './core/channel.ts';
export type {
  ChannelDefinition,
  ChannelOptions,
  ChannelWebhook,
  ConnectionRules,
  InstallPaths,
  RenewCredentials,
} from './core/channel-definition.ts';
export type {
  AccountRef,
  ActionEvent,
  Attachment,
  ChannelEvent,
  CommandEvent,
  DeletionEvent,
  DepartureEvent,
  EditEvent,
  IgnoredEvent,
  Mention,
  MessageEvent,
  OpeningEvent,
  ReactionEvent,
  ReplyChain,
  UninstallEvent,
} from './core/channel-event.ts';
export type { Cipher } from './core/cipher.ts';
export { createCipher } from './core/cipher.ts';
export type { ErrorCode, KonstructErrorOptions } from './core/errors.ts';
export { errorTable, isKonstructError, KonstructError } from './core/errors.ts';
export type { JourneyKey, JourneyRecorder, JourneyStage } from './core/journey.ts';
export type { Log, LogFields } from './core/log.ts';
export type { FileKind, JsonSchema, PromptFile, ProviderKeys, RouteEntry } from './core/model.ts';
export type { ChooseModel, ModelChoice, TurnToAnswer } from './core/model-choice.ts';
export type {
  AnswerStream,
  ConnectionAccess,
  DeliveryMarker,
  FetchedFile,
  FormattedText,
  MessageAuthor,
  OutboundEdit,
  OutboundFile,
  OutboundMessage,
  OutboundReaction,
  OutboundRemoval,
  PostedMessage,
  PrivateMessage,
  StreamStart,
  ThreadMessage,
  ThreadTarget,
  TypingSign,
} from './core/outbound.ts';
export type { ParsedRedisAddress, RedisAddress, RedisNode } from './core/redis-address.ts';
export { parseRedisAddress } from './core/redis-address.ts';
export type { Credentials } from './core/tenant.ts';
export type { Tool, ToolContext, ToolFile, ToolOutput } from './core/tool.ts';
export { noJourneys } from './telemetry/journeys.ts';
