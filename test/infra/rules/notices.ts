import { isDeepStrictEqual } from 'node:util';
import { noticesOf, standbyNoticesOf } from '#config/notices.ts';
import { topicOf } from './alarms.ts';
import { entriesOf, type Rule, referred, stackOf } from './view.ts';

export const NOTICES: Rule = {
  name: 'every notice has a rule that leads to the topic of its priority, which lets it in',
  problems(made) {
    const rules = entriesOf(made, 'AWS::Events::Rule');
    const notices = [
      ...noticesOf(made.settings).map((notice) => ({ ...notice, stack: 'Observability' })),
      ...standbyNoticesOf(made.settings).map((notice) => ({ ...notice, stack: 'Standby' })),
    ];
    return notices.flatMap(({ name, priority, when, stack }) => {
      const ruleName = `cloudflow-${made.settings.stage}-${name}`;
      const found = rules.find(
        ([id, { Properties }]) => stackOf(id) === stack && Properties['Name'] === ruleName,
      );
      if (found === undefined) return [`no rule of the notice ${name} in ${stack}`];
      const [id, { Properties }] = found;
      const targets = Properties['Targets'] as readonly { readonly Arn: unknown }[];
      const topic = topicOf(made, priority, stack === 'Standby' ? stack : undefined) ?? '';
      const leads = referred(made, stackOf(id), targets[0]?.Arn).includes(topic);
      const policy = entriesOf(made, 'AWS::SNS::TopicPolicy').find(([of, each]) =>
        referred(made, stackOf(of), each.Properties['Topics']).includes(topic),
      );
      const open = JSON.stringify(policy?.[1].Properties['PolicyDocument'] ?? {});
      const wanted =
        when.kind === 'days'
          ? Properties['ScheduleExpression'] === `rate(${when.every} days)`
          : isDeepStrictEqual(Properties['EventPattern'], {
              source: [when.source],
              'detail-type': [when.detailType],
              detail: when.detail,
            });
      return [
        ...(leads ? [] : [`${name} leads nowhere`]),
        ...(open.includes('events.amazonaws.com') ? [] : [`${priority} hears no notice`]),
        ...(wanted ? [] : [`${name} waits for something else`]),
      ];
    });
  },
};
