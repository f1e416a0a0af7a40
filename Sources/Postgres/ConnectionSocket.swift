import Reactor

// What happens on the connection's socket; all of it on the reactor's thread.
extension PostgresConnection {
    func startReading() {
        reactor.watch(descriptor, for: interest) { [weak self] _ in
            self?.assumeIsolated { $0.socketIsReady() }
        }
    }

    private func socketIsReady() {
        guard let isConnected = handle?.consumeInput() else { return }
        if simple != nil {
            socketWaiter.take()?.resume()
        } else {
            receive()
            flush()
        }
        if !isConnected { lose(nil) }
    }

    /// Writes what the socket takes, and asks to be told when it takes the rest.
    func flush() {
        switch handle?.flush() {
        case .nothing: want(.read)
        case .rest: want([.read, .write])
        case .lost: lose(nil)
        case nil: break
        }
    }

    /// Changes what the descriptor is watched for. Once the connection is lost the number is someone else's.
    func want(_ interest: Reactor.Interest) {
        guard handle != nil, interest != self.interest else { return }
        self.interest = interest
        reactor.change(descriptor, to: interest)
    }

    private func receive() {
        var isEndOfStatement = false
        while !pipeline.isEmpty, let isBusy = handle?.isBusy, !isBusy {
            guard let result = handle?.nextResult() ?? nil else {
                // One such end follows each statement; two in a row mean that nothing more will come.
                guard !isEndOfStatement else { return lose(nil) }
                isEndOfStatement = true
                continue
            }
            isEndOfStatement = false
            switch result.kind {
            case .rows: settle(.rows(PostgresRows(result: result)))
            case .failure where result.isFatal: return lose(result.error)
            case .failure: settle(.failure(result.error))
            case .skipped: settle(.skipped)
            case .sync: settle(.sync)
            case .copyIn, .copyOut, .other: return lose(.lost("COPY was sent as an ordinary statement"))
            }
        }
    }

    private func settle(_ reply: Requests.Reply) {
        switch pipeline.receive(reply) {
        case .nothing: break
        case .prepared(let number): cache.prepared(number)
        case .forget(let number): cache.forget(number)
        case .completed(let request, let result):
            request.continuation.resume(with: result.mapError { $0 })
            if doomed != nil { cancelDoomed() }
        case .confused: lose(.lost("the server's answers fit no request"))
        }
    }

    /// Gives the connection up: fails all that waits, with `error` or with what the server said last.
    func lose(_ error: PostgresError?) {
        guard handle != nil else { return }
        reactor.unwatch(descriptor)
        let error = error ?? lastWords()
        loss = error
        handle = nil
        for (request, failure) in pipeline.removeAll() {
            request.continuation.resume(throwing: failure ?? error)
        }
        for entry in turns.removeAll() { fail(entry.waiter, error) }
        socketWaiter.take()?.resume(throwing: error)
    }

    /// The server's reason if it gave one, such as 57P01, an administrator's command.
    private func lastWords() -> PostgresError {
        while let isBusy = handle?.isBusy, !isBusy, let result = handle?.nextResult() ?? nil {
            if result.isFatal { return result.error }
        }
        return .lost(handle?.message ?? "the connection was lost")
    }
}
