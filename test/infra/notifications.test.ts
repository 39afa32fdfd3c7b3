import { describe, expect, it } from 'vitest';
import { readStageSettings, type StageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { NotificationsStack } from '#stacks/notifications-stack.ts';
import { type Synthesised, synthesiseParts } from './synth.ts';

const settingsOf = (stage: (typeof STAGES)[number]): StageSettings =>
  readStageSettings({ stage, account: undefined }, {});
const mailOf = (settings: StageSettings): Synthesised =>
  synthesiseParts(settings, (app) => new NotificationsStack(app, settings));
const text = (value: unknown): string => JSON.stringify(value);

describe.each(STAGES)('mail of stage %s', (stage) => {
  const settings = settingsOf(stage);
  const made = mailOf(settings);

  it('passes CloudFormation’s own checks and those of cdk-nag', () => {
    expect(made.findings).toEqual([]);
    expect(made.idle).toEqual([]);
    expect(made.missing).toEqual([]);
  });

  it('is sent over TLS or not at all, and never to who bounced or complained', () => {
    const [set] = made.ofType('AWS::SES::ConfigurationSet');
    expect(set!.Properties).toMatchObject({
      Name: `cloudflow-${stage}`,
      DeliveryOptions: { TlsPolicy: 'REQUIRE' },
      SuppressionOptions: { SuppressedReasons: ['BOUNCE', 'COMPLAINT'] },
      ReputationOptions: { ReputationMetricsEnabled: true },
    });
    const own = settings.mail?.ownAddresses === true;
    expect(made.ofType('AWS::SES::DedicatedIpPool').length).toBe(own ? 1 : 0);
    expect(text(set!.Properties['DeliveryOptions']).includes('SendingPoolName')).toBe(own);
  });

  it('is told of, message by message, and counted, but not whether people read it', () => {
    const destinations = made
      .ofType('AWS::SES::ConfigurationSetEventDestination')
      .map(({ Properties }) => Properties['EventDestination'] as Record<string, unknown>);
    expect(
      destinations.map((each) =>
        ['EventBridge', 'CloudWatch'].map((to) => `${to}Destination` in each),
      ),
    ).toEqual([
      [true, false],
      [false, true],
    ]);
    for (const { MatchingEventTypes } of destinations) {
      expect(MatchingEventTypes).toEqual(expect.arrayContaining(['delivery', 'bounce']));
      expect(MatchingEventTypes).not.toContain('open');
      expect(MatchingEventTypes).not.toContain('click');
    }
  });

  it('comes from a domain of the stage that is signed, or is not sent', () => {
    const identities = made.ofType('AWS::SES::EmailIdentity');
    expect(identities.length).toBe(settings.mail === null ? 0 : 1);
    expect(settings.mail === null).toBe(stage === 'dev');
    for (const { Properties } of identities) {
      expect(Properties).toMatchObject({
        EmailIdentity: settings.mail?.domain,
        DkimSigningAttributes: { NextSigningKeyLength: 'RSA_2048_BIT' },
        MailFromAttributes: {
          MailFromDomain: `bounce.${settings.mail?.domain}`,
          BehaviorOnMxFailure: 'REJECT_MESSAGE',
        },
        FeedbackAttributes: { EmailForwardingEnabled: false },
      });
    }
    // Where nobody keeps the zone in Route 53, its records are told.
    const told = text([...made.outputs.values()]);
    expect(made.ofType('AWS::Route53::RecordSet')).toEqual([]);
    for (const part of [
      'CNAME',
      ' MX 10 feedback-smtp',
      'v=spf1 include:amazonses.com',
      'DMARC1',
    ]) {
      expect([part, told.includes(part)]).toEqual([part, settings.mail !== null]);
    }
  });
});

describe('mail of a domain that Route 53 keeps', () => {
  const settings = settingsOf('staging');
  const made = mailOf({
    ...settings,
    mail: {
      domain: 'mail.example.com',
      hostedZoneId: 'Z0123456789ABCDEFGHIJ',
      ownAddresses: false,
    },
  });

  it('has its records there: three of DKIM, MX and SPF of what bounces, DMARC', () => {
    expect(made.findings).toEqual([]);
    expect([...made.outputs.values()]).toEqual([]);
    const records = made.ofType('AWS::Route53::RecordSet').map(({ Properties }) => Properties);
    expect(records.map(({ Type }) => Type).sort()).toEqual([
      'CNAME',
      'CNAME',
      'CNAME',
      'MX',
      'TXT',
      'TXT',
    ]);
    const named = (name: string, type: string) =>
      records.find((each) => each['Name'] === name && each['Type'] === type)?.['ResourceRecords'];
    expect(named('bounce.mail.example.com.', 'MX')).toEqual([
      '10 feedback-smtp.us-east-1.amazonses.com',
    ]);
    expect(named('bounce.mail.example.com.', 'TXT')).toEqual([
      '"v=spf1 include:amazonses.com ~all"',
    ]);
    expect(named('_dmarc.mail.example.com.', 'TXT')).toEqual([
      '"v=DMARC1; p=quarantine; adkim=r; aspf=r"',
    ]);
  });
});
