//! The properties of authentication. Any value but the default is refused.

use crate::config::config_def::{Property, Valid};

const NO_SASL: &str = "there is no SASL: leave it out and use security.protocol=PLAINTEXT";

pub(super) const SASL: &[Property] = &[
    Property::class("sasl.client.callback.handler.class")
        .medium()
        .refused(NO_SASL)
        .doc("The class that answers a mechanism's questions, such as for a password."),
    Property::password("sasl.jaas.config")
        .medium()
        .refused(NO_SASL)
        .doc("The login module and its options, user name and password among them."),
    Property::string("sasl.kerberos.kinit.cmd")
        .default("/usr/bin/kinit")
        .refused(NO_SASL)
        .doc("The path of `kinit`."),
    Property::long("sasl.kerberos.min.time.before.relogin")
        .default("60000")
        .refused(NO_SASL)
        .doc("The least time between two Kerberos logins, in ms."),
    Property::string("sasl.kerberos.service.name")
        .medium()
        .refused(NO_SASL)
        .doc("The Kerberos principal under which brokers run."),
    Property::double("sasl.kerberos.ticket.renew.jitter")
        .default("0.05")
        .refused(NO_SASL)
        .doc("The random part added to the time at which a ticket is renewed."),
    Property::double("sasl.kerberos.ticket.renew.window.factor")
        .default("0.8")
        .refused(NO_SASL)
        .doc("After which part of its lifetime a ticket is renewed."),
    Property::class("sasl.login.callback.handler.class")
        .medium()
        .refused(NO_SASL)
        .doc("The class that answers questions during login."),
    Property::class("sasl.login.class").medium().refused(NO_SASL).doc("The class that logs in."),
    Property::int("sasl.login.connect.timeout.ms")
        .refused(NO_SASL)
        .doc("How long a connection to the identity provider may take."),
    Property::int("sasl.login.read.timeout.ms")
        .refused(NO_SASL)
        .doc("How long an answer of the identity provider may take."),
    Property::short("sasl.login.refresh.buffer.seconds")
        .default("300")
        .between(0, 3600)
        .refused(NO_SASL)
        .doc("How long before its end a credential is refreshed at the latest."),
    Property::short("sasl.login.refresh.min.period.seconds")
        .default("60")
        .between(0, 900)
        .refused(NO_SASL)
        .doc("How long a credential is used at least before it is refreshed."),
    Property::double("sasl.login.refresh.window.factor")
        .default("0.8")
        .valid(Valid::FractionBetween(0.5, 1.0))
        .refused(NO_SASL)
        .doc("After which part of its lifetime a credential is refreshed."),
    Property::double("sasl.login.refresh.window.jitter")
        .default("0.05")
        .valid(Valid::FractionBetween(0.0, 0.25))
        .refused(NO_SASL)
        .doc("The random part added to that."),
    Property::long("sasl.login.retry.backoff.max.ms")
        .default("10000")
        .refused(NO_SASL)
        .doc("The longest wait between two attempts at the identity provider."),
    Property::long("sasl.login.retry.backoff.ms")
        .default("100")
        .refused(NO_SASL)
        .doc("The wait between two attempts at the identity provider; doubles."),
    Property::string("sasl.mechanism")
        .default("GSSAPI")
        .medium()
        .refused(NO_SASL)
        .doc("How to prove who one is, e.g. `PLAIN` or `SCRAM-SHA-512`."),
    Property::boolean("sasl.oauthbearer.allow.unverified.audience")
        .default("false")
        .medium()
        .refused(NO_SASL)
        .doc("Whether a token for anybody passes the check."),
    Property::boolean("sasl.oauthbearer.allow.unverified.issuer")
        .default("false")
        .medium()
        .refused(NO_SASL)
        .doc("Whether a token from anybody passes the check."),
    Property::string("sasl.oauthbearer.assertion.algorithm")
        .default("RS256")
        .valid(Valid::OneOfIgnoringCase(&["ES256", "RS256"]))
        .medium()
        .refused(NO_SASL)
        .doc("What signs an assertion."),
    Property::string("sasl.oauthbearer.assertion.claim.aud")
        .medium()
        .refused(NO_SASL)
        .doc("Whom an assertion is for."),
    Property::int("sasl.oauthbearer.assertion.claim.exp.seconds")
        .default("300")
        .between(0, 86400)
        .refused(NO_SASL)
        .doc("How long an assertion is valid."),
    Property::string("sasl.oauthbearer.assertion.claim.iss")
        .medium()
        .refused(NO_SASL)
        .doc("Who makes an assertion."),
    Property::boolean("sasl.oauthbearer.assertion.claim.jti.include")
        .default("false")
        .medium()
        .refused(NO_SASL)
        .doc("Whether an assertion has a random id."),
    Property::int("sasl.oauthbearer.assertion.claim.nbf.seconds")
        .default("60")
        .between(0, 3600)
        .refused(NO_SASL)
        .doc("For how long before now an assertion is valid."),
    Property::string("sasl.oauthbearer.assertion.claim.sub")
        .medium()
        .refused(NO_SASL)
        .doc("Whom an assertion is about."),
    Property::string("sasl.oauthbearer.assertion.file")
        .medium()
        .refused(NO_SASL)
        .doc("A file that holds an assertion made elsewhere."),
    Property::string("sasl.oauthbearer.assertion.private.key.file")
        .medium()
        .refused(NO_SASL)
        .doc("The file of the key that signs assertions."),
    Property::password("sasl.oauthbearer.assertion.private.key.passphrase")
        .medium()
        .refused(NO_SASL)
        .doc("The passphrase of that key."),
    Property::string("sasl.oauthbearer.assertion.template.file")
        .medium()
        .refused(NO_SASL)
        .doc("A JSON file with more to put into assertions."),
    Property::string("sasl.oauthbearer.client.credentials.client.id")
        .medium()
        .refused(NO_SASL)
        .doc("The name that asks for a token."),
    Property::password("sasl.oauthbearer.client.credentials.client.secret")
        .medium()
        .refused(NO_SASL)
        .doc("The secret that goes with that name."),
    Property::int("sasl.oauthbearer.clock.skew.seconds")
        .default("30")
        .refused(NO_SASL)
        .doc("By how much clocks may differ."),
    Property::list("sasl.oauthbearer.expected.audience")
        .valid(Valid::Any)
        .high()
        .refused(NO_SASL)
        .doc("Whom a token must be for."),
    Property::string("sasl.oauthbearer.expected.issuer")
        .high()
        .refused(NO_SASL)
        .doc("Who must have made a token."),
    Property::boolean("sasl.oauthbearer.header.urlencode")
        .default("false")
        .refused(NO_SASL)
        .doc("Whether name and secret are URL-encoded in the header."),
    Property::long("sasl.oauthbearer.jwks.endpoint.refresh.ms")
        .default("3600000")
        .refused(NO_SASL)
        .doc("After how long the keys that check tokens are read again."),
    Property::long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms")
        .default("10000")
        .refused(NO_SASL)
        .doc("The longest wait between two attempts at that."),
    Property::long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms")
        .default("100")
        .refused(NO_SASL)
        .doc("The wait between two attempts at that; doubles."),
    Property::string("sasl.oauthbearer.jwks.endpoint.url")
        .medium()
        .refused(NO_SASL)
        .doc("Where the keys that check tokens are."),
    Property::class("sasl.oauthbearer.jwt.retriever.class")
        .default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever")
        .medium()
        .refused(NO_SASL)
        .doc("The class that fetches tokens."),
    Property::class("sasl.oauthbearer.jwt.validator.class")
        .default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator")
        .medium()
        .refused(NO_SASL)
        .doc("The class that checks tokens."),
    Property::string("sasl.oauthbearer.scope")
        .medium()
        .refused(NO_SASL)
        .doc("The scope to ask for."),
    Property::string("sasl.oauthbearer.scope.claim.name")
        .default("scope")
        .refused(NO_SASL)
        .doc("The name of the claim that holds the scope."),
    Property::string("sasl.oauthbearer.sub.claim.name")
        .default("sub")
        .refused(NO_SASL)
        .doc("The name of the claim that holds the subject."),
    Property::string("sasl.oauthbearer.token.endpoint.url")
        .medium()
        .refused(NO_SASL)
        .doc("Where tokens come from."),
];
