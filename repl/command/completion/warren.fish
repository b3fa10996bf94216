# fish completion for warren: warren completion fish >~/.config/fish/completions/warren.fish
function __warren_words
    set -l before (commandline -opc)
    warren __complete $before[2..-1] (commandline -ct) 2>/dev/null
end
function __warren_knows
    test -n "$(__warren_words)"
end
complete -c warren -n __warren_knows -f -k -a '(__warren_words)'
