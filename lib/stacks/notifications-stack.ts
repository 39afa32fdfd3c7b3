import { EventBus } from 'aws-cdk-lib/aws-events';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { PublicHostedZone, TxtRecord } from 'aws-cdk-lib/aws-route53';
import {
  CloudWatchDimensionSource,
  ConfigurationSet,
  ConfigurationSetTlsPolicy,
  DedicatedIpPool,
  DkimIdentity,
  EasyDkimSigningKeyLength,
  EmailIdentity,
  EmailSendingEvent,
  EventDestination,
  Identity,
  MailFromBehaviorOnMxFailure,
  ScalingMode,
  SuppressionReasons,
} from 'aws-cdk-lib/aws-ses';
import { CfnOutput, Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { MailSettings, StageSettings } from '#config/stage-settings.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { StageStack } from './stage-stack.ts';

/** Receivers who find neither SPF nor DKIM of ours put the mail aside. */
const DMARC = 'v=DMARC1; p=quarantine; adkim=r; aspf=r';
/** Before the domain. Nobody reads what is sent there. */
const SENDER = 'no-reply';
/** Mail that nobody could take for so long is told as undeliverable, well within what retries it. */
const GIVE_UP_AFTER = Duration.hours(4);
/** What becomes of a message; whether people open it is their own business. */
const EVENTS = [
  EmailSendingEvent.SEND,
  EmailSendingEvent.DELIVERY,
  EmailSendingEvent.DELIVERY_DELAY,
  EmailSendingEvent.BOUNCE,
  EmailSendingEvent.COMPLAINT,
  EmailSendingEvent.REJECT,
];

/**
 * Where mail leaves: how it is sent (over TLS or not at all, never to who bounced or complained), what
 * is told of it, and the domain it comes from, with DKIM and an SPF of its own.
 */
export class NotificationsStack extends StageStack {
  /** What every message names, so that its fate is told and counted. */
  private readonly configurationSetName: string;
  /** Address that mail comes from; empty: the stage sends none. */
  private readonly from: string;
  /** What a program is told that sends mail. */
  readonly told: { readonly MAIL_FROM: string; readonly MAIL_CONFIGURATION_SET: string };
  readonly grants: { readonly 'mail:send': Grant };

  constructor(scope: Construct, settings: StageSettings) {
    super(scope, 'Notifications', settings, 'mail');
    const { stage, mail } = settings;
    this.configurationSetName = `cloudflow-${stage}`;
    const configurationSet = new ConfigurationSet(this, 'ConfigurationSet', {
      configurationSetName: this.configurationSetName,
      tlsPolicy: ConfigurationSetTlsPolicy.REQUIRE,
      reputationMetrics: true,
      suppressionReasons: SuppressionReasons.BOUNCES_AND_COMPLAINTS,
      maxDeliveryDuration: GIVE_UP_AFTER,
      ...(mail?.ownAddresses === true ? { dedicatedIpPool: this.pool() } : {}),
    });
    configurationSet.addEventDestination('Told', {
      configurationSetEventDestinationName: 'told',
      destination: EventDestination.eventBus(EventBus.fromEventBusName(this, 'Bus', 'default')),
      events: EVENTS,
    });
    configurationSet.addEventDestination('Counted', {
      configurationSetEventDestinationName: 'counted',
      destination: EventDestination.cloudWatchDimensions([
        {
          source: CloudWatchDimensionSource.MESSAGE_TAG,
          // SES sets it on every message.
          name: 'ses:configuration-set',
          defaultValue: this.configurationSetName,
        },
      ]),
      events: EVENTS,
    });
    if (mail !== null) this.domain(mail, configurationSet);
    this.from = mail === null ? '' : `${SENDER}@${mail.domain}`;
    this.told = {
      MAIL_FROM: this.from,
      MAIL_CONFIGURATION_SET: this.configurationSetName,
    };
    this.grants = { 'mail:send': (role) => this.allowSending(role) };
  }

  /** From this one address, and by the rules of the stage. */
  private allowSending(role: Role): void {
    const { region, account, mail, stage } = this.settings;
    const of = `arn:aws:ses:${region}:${account}`;
    allow(role, {
      sid: sidOf('mail:send'),
      actions: actionsOf('mail:send'),
      resources: [
        // Nobody can own a name that ends so: where there is no domain there is nothing to send from.
        `${of}:identity/${mail?.domain ?? `${stage}.invalid`}`,
        `${of}:configuration-set/cloudflow-${stage}`,
      ],
      conditions: { StringEquals: { 'ses:FromAddress': this.from } },
    });
  }

  private pool(): DedicatedIpPool {
    return new DedicatedIpPool(this, 'Addresses', {
      dedicatedIpPoolName: this.configurationSetName,
      scalingMode: ScalingMode.MANAGED,
    });
  }

  private domain({ domain, hostedZoneId }: MailSettings, configurationSet: ConfigurationSet): void {
    const { region } = this.settings;
    const zone =
      hostedZoneId === null
        ? null
        : PublicHostedZone.fromPublicHostedZoneAttributes(this, 'Zone', {
            hostedZoneId,
            zoneName: domain,
          });
    const mailFromDomain = `bounce.${domain}`;
    // Where the zone is ours the construct writes the records of DKIM, and MX and SPF of `bounce.`.
    const identity = new EmailIdentity(this, 'Domain', {
      identity: zone === null ? Identity.domain(domain) : Identity.publicHostedZone(zone),
      configurationSet,
      dkimIdentity: DkimIdentity.easyDkim(EasyDkimSigningKeyLength.RSA_2048_BIT),
      mailFromDomain,
      // Else mail would leave without our SPF as long as a record is missing.
      mailFromBehaviorOnMxFailure: MailFromBehaviorOnMxFailure.REJECT_MESSAGE,
      // Bounces are told by the destinations above, not by mail.
      feedbackForwarding: false,
    });
    if (zone !== null) {
      new TxtRecord(this, 'Dmarc', { zone, recordName: '_dmarc', values: [DMARC] });
      return;
    }
    const records = [
      ...identity.dkimRecords.map(({ name, value }) => `${name} CNAME ${value}`),
      `${mailFromDomain} MX 10 feedback-smtp.${region}.amazonses.com`,
      `${mailFromDomain} TXT "v=spf1 include:amazonses.com ~all"`,
      `_dmarc.${domain} TXT "${DMARC}"`,
    ];
    for (const [index, value] of records.entries()) {
      new CfnOutput(this, `Record${index + 1}`, {
        value,
        description: `a record that the zone of ${domain} needs`,
      });
    }
  }
}
