import { Avatar } from '../../design/avatar.tsx';
import { Icon } from '../../design/icon.tsx';
import { mentionText } from './mention-query.ts';
import { useSimulatorView } from './simulator-context.ts';
import './first-steps.css';

const questions = [
  'can you check the refund policy?',
  'what are our opening hours? A table, please.',
  'draft a kind reply to a customer whose delivery is late.',
  'what can you do?',
] as const;

interface FirstStepsProps {
  /** Nobody wrote anything here yet. */
  readonly empty: boolean;
  /** Takes the question into the composer. */
  readonly onPick: (text: string) => void;
}

/** For somebody who is here for the first time: who is this, and what can one ask? */
export function FirstSteps({ empty, onPick }: FirstStepsProps) {
  const { workspace, channel } = useSimulatorView();
  const { agent } = workspace;
  if (!channel.agentIsMember) {
    return empty ? (
      <p className="first-steps-quiet">Nothing here yet, and {agent.name} is not in this channel.</p>
    ) : null;
  }
  const address = channel.kind === 'im' ? '' : `${mentionText(agent)} `;
  return (
    <section className="first-steps" aria-label={`Ask ${agent.name}`}>
      <Avatar id={agent.id} name={agent.name} isAgent />
      <div>
        <h3>{agent.name} works here too</h3>
        <p>
          {introduction(agent.title)}{' '}
          {channel.kind === 'im'
            ? 'Write as you would to a colleague.'
            : `Mention ${mentionText(agent)} as you would a colleague; in the thread that follows, no mention is needed.`}
        </p>
        <ul>
          {questions.map((question) => (
            <li key={question}>
              <button type="button" onClick={() => onPick(capitalised(address + question))}>
                <span>{capitalised(address + question)}</span>
                <Icon name="edit" size={15} />
              </button>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function introduction(title: string): string {
  if (title === '' || /\bAI coworker\b/i.test(title)) return 'An AI coworker.';
  return `${title}, and an AI coworker.`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
