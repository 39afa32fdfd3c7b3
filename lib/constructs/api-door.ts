import {
  AuthorizationType,
  IdentitySource,
  type IRestApi,
  type JsonSchema,
  type MethodOptions,
  Model,
  RequestValidator,
  TokenAuthorizer,
} from 'aws-cdk-lib/aws-apigateway';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Duration } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { FUNCTIONS } from '#config/functions.ts';
import { AUTHORIZATION } from '#contract/credential.ts';
import { requestModel } from '#contract/request-model.ts';
import type { OperationId } from '#contract/routes.ts';
import { routeOf } from '#contract/routes.ts';

const [{ keptSeconds }] = FUNCTIONS.authorizer.triggers;

/**
 * What API Gateway asks of a call before it starts a function for it: a caller whom the authorizer
 * knows, and a body that is a JSON object. Everything finer is the function's, which can say what is
 * wrong and where.
 */
export class ApiDoor extends Construct {
  private readonly api: IRestApi;
  private readonly callers: TokenAuthorizer;
  private readonly bodies: RequestValidator;

  constructor(scope: Construct, id: string, api: IRestApi, authorizer: IFunction) {
    super(scope, id);
    this.api = api;
    this.callers = new TokenAuthorizer(this, 'Callers', {
      handler: authorizer,
      identitySource: IdentitySource.header('Authorization'),
      // What is no key by its form is refused without a question.
      validationRegex: AUTHORIZATION,
      resultsCacheTtl: Duration.seconds(keptSeconds),
    });
    this.bodies = new RequestValidator(this, 'Bodies', {
      restApi: api,
      validateRequestBody: true,
      // None is declared as required: what misses one is told so by the function, under its own code.
      validateRequestParameters: true,
    });
  }

  /** What a method of the API asks for; HEAD asks for what GET does, and null (OPTIONS) for nothing. */
  optionsFor(id: OperationId | null): MethodOptions {
    if (id === null) return { authorizationType: AuthorizationType.NONE };
    const model = requestModel(id);
    return {
      ...(routeOf(id).tenant === 'caller'
        ? { authorizationType: AuthorizationType.CUSTOM, authorizer: this.callers }
        : { authorizationType: AuthorizationType.NONE }),
      ...(model === null
        ? {}
        : {
            requestModels: {
              'application/json': new Model(this, `Body-${id}`, {
                restApi: this.api,
                modelName: id,
                contentType: 'application/json',
                // The construct's own type has no word for a schema that was made already.
                schema: model.schema as JsonSchema,
              }),
            },
            ...(model.unjudged === null ? { requestValidator: this.bodies } : {}),
          }),
    };
  }
}
