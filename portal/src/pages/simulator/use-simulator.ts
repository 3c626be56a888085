import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import type {
  ControlFile,
  FaultPlanRequest,
  InstallationRequest,
  PressRequest,
  ReactionRequest,
} from '../../../../src/simulator/control-api.ts';
import { type ChannelAddress, type ControlClient, ControlError, type MessagePage } from './control-client.ts';
import { type ControlStream, openControlStream } from './control-stream.ts';
import { emptySimulator, reduceSimulator, type SimulatorState } from './simulator-state.ts';

export interface MessageDraft {
  readonly userId: string;
  readonly text: string;
  /** `null`: in the channel itself. */
  readonly threadId: string | null;
  readonly fileIds: readonly string[];
}

export interface Simulator {
  readonly state: SimulatorState;
  /** What failed last, for people; `null`: nothing. */
  readonly problem: string | null;
  dismissProblem(): void;
  retryNow(): void;
  /** Loads one page; the page component decides when. */
  loadMessages(channel: ChannelAddress, page: MessagePage, signal: AbortSignal): Promise<void>;
  loadJourneys(channel: ChannelAddress, signal: AbortSignal): Promise<void>;
  /** Whether it was accepted; if not, `problem` says why. */
  post(channel: ChannelAddress, draft: MessageDraft): Promise<boolean>;
  edit(channel: ChannelAddress, messageId: string, text: string): Promise<boolean>;
  remove(channel: ChannelAddress, messageId: string): Promise<boolean>;
  react(channel: ChannelAddress, messageId: string, reaction: ReactionRequest): Promise<boolean>;
  /** Whether the app took the press; if it could not even be sent, `problem` says why. */
  press(channel: ChannelAddress, messageId: string, press: PressRequest): Promise<boolean>;
  /** `null`: it was not accepted, and `problem` says why. */
  upload(workspaceId: string, file: File, signal: AbortSignal): Promise<ControlFile | null>;
  fileAddress(workspaceId: string, fileId: string): string;
  setFaults(plan: FaultPlanRequest): Promise<boolean>;
  setInstallation(workspaceId: string, state: InstallationRequest['state']): Promise<boolean>;
}

/** The page's connection to the simulator: follows its events, loads what they do not tell, passes on what is done. */
export function useSimulator(client: ControlClient, streamUrl: string): Simulator {
  const [state, dispatch] = useReducer(reduceSimulator, emptySimulator);
  const [problem, setProblem] = useState<string | null>(null);
  const stream = useRef<ControlStream | null>(null);
  const step = useRef(0);
  step.current = state.step;
  const clockOffset = useRef(0);
  clockOffset.current = state.clockOffsetMs;

  useEffect(() => {
    const opened = openControlStream({
      url: streamUrl,
      onEvent: (event) => dispatch({ type: 'event', event, receivedAtMs: Date.now() }),
      onLink: (link) => dispatch({ type: 'link', link }),
    });
    stream.current = opened;
    return () => opened.close();
  }, [streamUrl]);

  /** Runs a call; what goes wrong is told to the person, except that somebody left before it was done. */
  const attempt = useCallback(async (work: () => Promise<void>, signal?: AbortSignal): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!signal?.aborted) setProblem(error instanceof ControlError ? error.message : String(error));
      return false;
    }
  }, []);

  const { epoch } = state;
  useEffect(() => {
    if (epoch === 0) return;
    const { signal, abort } = abortable();
    const sinceStep = step.current;
    void attempt(async () => {
      const [{ workspaces }, { deliveries }, plan] = await Promise.all([
        client.workspaces(signal),
        client.deliveries(signal),
        client.faults(signal),
      ]);
      dispatch({ type: 'workspaces', workspaces });
      dispatch({ type: 'deliveries', deliveries, sinceStep });
      dispatch({ type: 'faults', plan });
      setProblem(null);
    }, signal);
    return abort;
  }, [epoch, client, attempt]);

  const actions = useMemo(() => {
    const change = (work: () => Promise<unknown>): Promise<boolean> =>
      attempt(async () => {
        // What changed comes back as an event, to this page as to every other.
        await work();
        setProblem(null);
      });
    return {
      dismissProblem: () => setProblem(null),
      retryNow: () => stream.current?.retryNow(),
      async loadMessages(channel: ChannelAddress, page: MessagePage, signal: AbortSignal) {
        const sinceStep = step.current;
        await attempt(async () => {
          const answer = await client.messages(channel, page, signal);
          const { threadId = null, before = null } = page;
          dispatch({ type: 'page', channel, loaded: { page: answer, threadId, before, sinceStep } });
        }, signal);
      },
      async loadJourneys(channel: ChannelAddress, signal: AbortSignal) {
        const askedAtMs = Date.now() + clockOffset.current;
        await attempt(async () => {
          const { journeys } = await client.journeys(channel, signal);
          dispatch({ type: 'journeys', channel, journeys, askedAtMs });
        }, signal);
      },
      post: (channel: ChannelAddress, { threadId, ...draft }: MessageDraft) =>
        change(() => client.post(channel, threadId === null ? draft : { ...draft, threadId })),
      edit: (channel: ChannelAddress, messageId: string, text: string) =>
        change(() => client.edit(channel, messageId, text)),
      remove: (channel: ChannelAddress, messageId: string) => change(() => client.remove(channel, messageId)),
      react: (channel: ChannelAddress, messageId: string, reaction: ReactionRequest) =>
        change(() => client.react(channel, messageId, reaction)),
      async press(channel: ChannelAddress, messageId: string, press: PressRequest) {
        let isTaken = false;
        await change(async () => {
          isTaken = (await client.press(channel, messageId, press)).acked;
        });
        return isTaken;
      },
      async upload(workspaceId: string, file: File, signal: AbortSignal) {
        let uploaded: ControlFile | null = null;
        await attempt(async () => {
          uploaded = (await client.upload(workspaceId, file, signal)).file;
          setProblem(null);
        }, signal);
        return uploaded;
      },
      fileAddress: client.fileAddress,
      setFaults: (plan: FaultPlanRequest) => change(() => client.setFaults(plan)),
      setInstallation: (workspaceId: string, installation: InstallationRequest['state']) =>
        change(() => client.setInstallation(workspaceId, installation)),
    };
  }, [client, attempt]);

  return { state, problem, ...actions };
}

function abortable(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
