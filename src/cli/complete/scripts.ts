/** Shells that have a script. */
export const SHELLS = ["bash", "fish", "powershell", "zsh"] as const;

/** One of SHELLS. */
export type Shell = (typeof SHELLS)[number];

// Each script asks `berth __complete WORD…`, whose last word is the one at the cursor, and does what the directive says:
// 1 is an error, 2 adds no space, 4 offers no files, 16 offers folders only.

const BASH =
  String.raw`# bash completion of berth: source this file, or put it into /usr/share/bash-completion/completions/berth
__berth_complete() {
    local words cword cur out directive line
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n =: words cword cur
    else
        words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD cur=\${COMP_WORDS[COMP_CWORD]}
    fi
    out=$("\${words[0]}" __complete "\${words[@]:1:cword}" 2>/dev/null) || return
    directive=\${out##*:}
    out=\${out%:*}
    (( directive & 1 )) && return
    (( directive & 2 )) && compopt -o nospace
    while IFS= read -r line; do
        line=\${line%%$'\t'*}
        [[ -n $line ]] && COMPREPLY+=("$line")
    done <<<"$out"
    if (( directive & 16 )); then
        compopt -o dirnames
    elif (( ! (directive & 4) && \${#COMPREPLY[@]} == 0 )); then
        compopt -o default
    fi
    # Readline replaces only what stands behind the last colon or equals sign.
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    elif [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("\${COMPREPLY[@]#"\${cur%:*}:"}")
    fi
    if [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("\${COMPREPLY[@]#"\${cur%%=*}="}")
    fi
}
complete -F __berth_complete berth
`.replaceAll("\\$", "$");

const ZSH = String.raw`#compdef berth
# zsh completion of berth: put this file as _berth into a folder of $fpath
_berth() {
    local out directive line value about
    local -a found
    out=$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null) || return 1
    directive=\${out##*:}
    out=\${out%:*}
    (( directive & 1 )) && return 1
    for line in "\${(@f)out}"; do
        [[ -z $line ]] && continue
        value=\${line%%$'\t'*} about=
        [[ $line == *$'\t'* ]] && about=\${line#*$'\t'}
        found+=("\${value//:/\\:}\${about:+:$about}")
    done
    if (( \${#found} )); then
        if (( directive & 2 )); then
            _describe -V berth found -S ''
        else
            _describe -V berth found
        fi
    elif (( directive & 16 )); then
        _files -/
    elif (( ! (directive & 4) )); then
        _files
    fi
}
if [ "$funcstack[1]" = "_berth" ]; then
    _berth "$@"
else
    compdef _berth berth
fi
`.replaceAll("\\$", "$");

const FISH = String.raw`# fish completion of berth: put this file into ~/.config/fish/completions/berth.fish
function __berth_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l out (berth __complete $words[2..-1] 2>/dev/null)
    or return
    set -l directive (string replace -r '^:' '' -- $out[-1])
    set -e out[-1]
    test (math "bitand($directive, 1)") -ne 0; and return
    if test (count $out) -gt 0
        printf '%s\n' $out
    else if test (math "bitand($directive, 16)") -ne 0
        __fish_complete_directories (commandline -ct)
    else if test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path (commandline -ct)
    end
end
complete -c berth -f -a '(__berth_complete)'
`;

const POWERSHELL = `# PowerShell completion of berth: run 'berth completion powershell | Out-String | Invoke-Expression'
Register-ArgumentCompleter -Native -CommandName 'berth' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { "$_" })
    $given = @($words | Select-Object -Skip 1)
    if ($wordToComplete -eq '') { $given += '""' }
    $out = @(& $words[0] __complete @given 2>$null)
    $directive = [int]($out[-1].TrimStart(':'))
    if ($directive -band 1) { return }
    $space = if ($directive -band 2) { '' } else { ' ' }
    $out | Select-Object -SkipLast 1 | ForEach-Object {
        $value, $about = $_ -split ([char]9), 2
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new("$value$space", $value, 'ParameterValue', $about)
    }
}
`;

const SCRIPTS: Record<Shell, string> = { bash: BASH, fish: FISH, powershell: POWERSHELL, zsh: ZSH };

/** The script that makes a shell complete `berth`. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
