import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Announcements } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

/** What SNS takes. */
const MOST_SUBJECT = 100;
const MOST_TEXT = 200_000;

/** Tells whoever operates the platform, through a topic of SNS. */
export function createSnsAnnouncements(client: SNSClient, topicArn: string): Announcements {
  return {
    async say(subject, text) {
      await asked('an announcement', () =>
        client.send(
          new PublishCommand({
            TopicArn: topicArn,
            Subject: subject.replaceAll(/[^ -~]/g, ' ').slice(0, MOST_SUBJECT),
            Message: text.slice(0, MOST_TEXT),
          }),
        ),
      );
    },
  };
}
