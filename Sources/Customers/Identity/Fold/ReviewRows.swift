import Contract

/// Groups what limits hold into the questions that a person is asked.
package enum ReviewRows {
    /// One question.
    package struct Row: Sendable, Equatable {
        /// The profiles that its pairs would join, sorted.
        package let profiles: [ProfileID]
        /// The value that is in question, in a row that stands for many.
        package let identifier: IdentifierID?
        /// The held pairs, sorted.
        package let pairs: [IdentifierPair]
    }

    /// In how many rows a value must be before one row about it takes their place.
    package static let rowsOfOneValue = 10

    /// The rows: one for each set of profiles that a decision's pairs would join; but where a value is an end
    /// in ten rows or more, one row about it takes their place.
    ///
    /// - Parameters:
    ///   - held: pairs that are held, no end of them blocked or shared, each with the newest decision that
    ///     holds it. Pairs inside one profile ask nothing.
    ///   - profileOf: the profile that an identifier is in now.
    /// - Returns: sorted by profiles, rows about a value behind others.
    package static func rows(
        held: [(pair: IdentifierPair, hold: Int64)], profileOf: (IdentifierID) -> ProfileID?
    ) -> [Row] {
        var byHold: [Int64: Question] = [:]
        for (pair, hold) in held {
            guard let low = profileOf(pair.low), let high = profileOf(pair.high), low != high else {
                continue
            }
            byHold[hold, default: Question()].formUnion(Question(profiles: [low, high], pairs: [pair]))
        }
        var byProfiles: [Set<ProfileID>: Question] = [:]
        for question in byHold.values {
            byProfiles[question.profiles, default: Question()].formUnion(question)
        }
        return gather(Array(byProfiles.values)).sorted(by: comesBefore)
    }

    /// The rows of the questions. Of two values in many of them, the one in more, then the smaller one, takes
    /// first; all are counted before any takes.
    private static func gather(_ questions: [Question]) -> [Row] {
        var places: [IdentifierID: Set<Int>] = [:]
        for (place, question) in questions.enumerated() {
            for pair in question.pairs {
                places[pair.low, default: []].insert(place)
                places[pair.high, default: []].insert(place)
            }
        }
        let values = places.filter { $0.value.count >= rowsOfOneValue }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        var rest = Set(questions.indices)
        var rows: [Row] = []
        for (value, places) in values {
            let taken = rest.intersection(places)
            guard !taken.isEmpty else { continue }
            rest.subtract(taken)
            var question = Question()
            for place in taken { question.formUnion(questions[place]) }
            rows.append(question.row(about: value))
        }
        return rows + rest.map { questions[$0].row(about: nil) }
    }

    private static func comesBefore(_ left: Row, _ right: Row) -> Bool {
        if left.profiles != right.profiles { return left.profiles.lexicographicallyPrecedes(right.profiles) }
        guard let one = left.identifier, let other = right.identifier else { return left.identifier == nil }
        return one < other
    }

    /// What one row asks, while rows are being put together.
    private struct Question {
        var profiles: Set<ProfileID> = []
        var pairs: Set<IdentifierPair> = []

        mutating func formUnion(_ other: Question) {
            profiles.formUnion(other.profiles)
            pairs.formUnion(other.pairs)
        }

        func row(about identifier: IdentifierID?) -> Row {
            Row(
                profiles: profiles.sorted(), identifier: identifier,
                pairs: pairs.sorted { ($0.low, $0.high) < ($1.low, $1.high) })
        }
    }
}
