/** What a message's text is made of, once parsed. Plain data: rendering decides what each part looks like. */
export type Block =
  | { readonly type: 'paragraph'; readonly children: readonly Inline[] }
  | { readonly type: 'heading'; readonly level: number; readonly children: readonly Inline[] }
  | { readonly type: 'code'; readonly language: string; readonly text: string }
  | { readonly type: 'quote'; readonly blocks: readonly Block[] }
  | {
      readonly type: 'list';
      readonly ordered: boolean;
      readonly start: number;
      readonly items: readonly ListItem[];
    }
  | {
      readonly type: 'table';
      readonly align: readonly Align[];
      readonly header: readonly TableCell[];
      readonly rows: readonly (readonly TableCell[])[];
    }
  | { readonly type: 'rule' };

export interface ListItem {
  /** `null`: not a task. */
  readonly done: boolean | null;
  readonly blocks: readonly Block[];
}

export type Align = 'start' | 'center' | 'end';
export type TableCell = readonly Inline[];

export type Inline =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'strong' | 'emphasis' | 'strike'; readonly children: readonly Inline[] }
  | { readonly type: 'code'; readonly text: string }
  /** `href` is http, https or mailto; anything else stays text. */
  | { readonly type: 'link'; readonly href: string; readonly children: readonly Inline[] }
  | { readonly type: 'mention'; readonly userId: string }
  | { readonly type: 'break' };

/**
 * `markdown` is what models write. `mrkdwn` is Slack's own notation for what people write: `*bold*`, `_italic_`,
 * `~strike~`, `<https://…|label>`, and nothing but quotes, lists and code as blocks.
 */
export type Notation = 'markdown' | 'mrkdwn';
