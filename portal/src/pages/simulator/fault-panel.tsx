import { useId } from 'react';
import { activeFault, type FaultPreset, faultPresets, withPreset } from './fault-presets.ts';
import { useSimulatorView } from './simulator-context.ts';
import { useNow } from './use-now.ts';
import './fault-panel.css';

/** Switches for what goes wrong between Slack and Konstruct in real life. */
export function FaultPanel() {
  const { simulator, workspace } = useSimulatorView();
  const { faultPlan } = simulator.state;
  if (!faultPlan) return <p className="panel-note">Loading…</p>;
  const preset = (shown: FaultPreset) => <PresetSwitch key={shown.id} preset={shown} />;
  const installed = workspace.installation === 'installed';
  return (
    <>
      <p className="panel-note">
        Real life is unkind. Switch something on, send a message, and see that it is still answered exactly
        once.
      </p>
      <h3>On the way to Konstruct</h3>
      {faultPresets.filter(({ group }) => group === 'incoming').map(preset)}
      <h3>On the way back to Slack</h3>
      {faultPresets.filter(({ group }) => group === 'outgoing').map(preset)}
      <SwitchRow
        label="Slack’s real limits"
        explanation="About one message per second and channel, as the real Slack allows."
        on={faultPlan.realRateLimits}
        onChange={(on) => void simulator.setFaults({ realRateLimits: on })}
      />
      <h3>The installation</h3>
      <SwitchRow
        label={`${workspace.agent.name} is removed from ${workspace.name}`}
        explanation="The app is uninstalled: the token stops working and nothing may be answered until it is back."
        on={!installed}
        onChange={(on) => void simulator.setInstallation(workspace.id, on ? 'app_uninstalled' : 'installed')}
      />
    </>
  );
}

function PresetSwitch({ preset }: { readonly preset: FaultPreset }) {
  const { simulator } = useSimulatorView();
  const { faultPlan, clockOffsetMs } = simulator.state;
  const fault = faultPlan && activeFault(faultPlan, preset);
  const nowMs = useNow(fault && fault.untilMs !== null ? 500 : null) + clockOffsetMs;
  if (!faultPlan) return null;
  const left =
    fault && fault.untilMs !== null
      ? `${Math.max(0, Math.ceil((fault.untilMs - nowMs) / 1000))} s left`
      : fault && fault.remaining !== null
        ? `${fault.remaining} left`
        : null;
  return (
    <SwitchRow
      label={preset.label}
      explanation={preset.explanation}
      note={left}
      on={fault !== null}
      onChange={(on) =>
        void simulator.setFaults({ faults: withPreset(faultPlan, preset, on, Date.now() + clockOffsetMs) })
      }
    />
  );
}

interface SwitchRowProps {
  readonly label: string;
  readonly explanation: string;
  readonly note?: string | null;
  readonly on: boolean;
  readonly onChange: (on: boolean) => void;
}

function SwitchRow({ label, explanation, note = null, on, onChange }: SwitchRowProps) {
  const id = useId();
  return (
    <label className="fault" data-on={on}>
      <span>
        <strong>
          {label}
          {note !== null && <span className="fault-note">{note}</span>}
        </strong>
        <span className="fault-explanation" id={id}>
          {explanation}
        </span>
      </span>
      <input
        type="checkbox"
        role="switch"
        className="switch"
        aria-describedby={id}
        aria-label={label}
        aria-checked={on}
        checked={on}
        onChange={({ target }) => onChange(target.checked)}
      />
    </label>
  );
}
