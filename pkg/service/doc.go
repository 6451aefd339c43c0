// Package service is the frame a Signet service stands in: configuration from the environment, logging, HTTP
// listeners, health, metrics, the admin API's shell, credentials files and the life of the process.
//
// Use it from a service's main and app packages. A service reads its settings with [ReadEnvironment] and
// [Parse], makes its logger with [NewLogger], opens a [Server] for each port and mounts [Health], [NewMetrics]
// and [NewAPI] on the ones that should have them; [Main] runs it all until a signal comes.
//
// It knows nothing of messages, signatures or databases, keeps no state between requests and has no opinion on
// what a service answers: replies other than health, metrics and the admin API belong to the service.
package service
