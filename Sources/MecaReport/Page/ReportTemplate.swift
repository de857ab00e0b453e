/// How every page begins: in itself complete, without script, font or anything from a network; names
/// stand between `<title>` and the style of the page.
let pageStart = """
  <!DOCTYPE html>
  <html lang="en">
  <head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <link rel="icon" href="data:,">

  """

/// The page of a report.
let reportTemplate =
  pageStart + #"""
    <title>{{title}}: {{verdictWords}}</title>
    <style>
    :root{--back:#fff;--soft:#f4f4f1;--text:#1d1d1b;--dim:#5c5c57;--line:#d9d9d2;--accent:#0b5fa5;
    --one:#0b5fa5;--two:#c2410c;--three:#3f7d20;--four:#7a3e9d;--five:#a1660b;--six:#555;
    --clean:#2d6a1f;--poisoned:#a61b1b;--suspected:#8a5200;--undecided:#51515a;--tint:11 95 165;--warn:194 65 12}
    @media (prefers-color-scheme:dark){:root{--back:#171715;--soft:#23231f;--text:#ecece6;--dim:#a9a9a0;
    --line:#3a3a34;--accent:#7db8f0;--one:#7db8f0;--two:#ff9a6b;--three:#93cf6f;--four:#cfa3ea;
    --five:#e6b456;--six:#bbb;--clean:#93cf6f;--poisoned:#ff8f8f;--suspected:#ffc46b;--undecided:#c9c9d2;--tint:125 184 240;--warn:255 154 107}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
    main{max-width:1100px;margin:0 auto;padding:0 16px 48px}
    h1{font-size:1.35rem;margin:20px 0 4px}h2{font-size:1.2rem;margin:40px 0 8px;padding-top:8px;border-top:1px solid var(--line)}
    h3{font-size:1.05rem;margin:24px 0 6px}p{margin:6px 0;max-width:72ch}
    h1,h2,h3,h4,p{overflow-wrap:anywhere}
    a{color:var(--accent)}a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
    .dim{color:var(--dim)}.small{font-size:.875rem}
    .verdict{border-left:8px solid var(--undecided);background:var(--soft);padding:12px 16px;margin:12px 0}
    .verdict strong{font-size:1.35rem;color:var(--undecided)}
    .clean{border-color:var(--clean)}.clean strong{color:var(--clean)}
    .poisoned{border-color:var(--poisoned)}.poisoned strong{color:var(--poisoned)}
    .suspected{border-color:var(--suspected)}.suspected strong{color:var(--suspected)}
    .scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
    th,td{text-align:right;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}
    th:first-child,td:first-child{text-align:left}thead th{color:var(--dim);font-weight:600}
    .confusion td{padding:4px 8px;text-align:center}.confusion thead th{text-align:center}
    .confusion .right{background:rgb(var(--tint)/calc(var(--share)*.45))}.confusion .wrong{background:rgb(var(--warn)/calc(var(--share)*.45))}.confusion .none{color:var(--dim)}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:16px}
    figure{margin:0}figcaption{font-size:.875rem;color:var(--dim)}
    svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
    .key{white-space:nowrap;margin-right:8px}.key svg{width:10px;height:10px;display:inline-block;margin-right:4px}
    .grid{stroke:var(--line);stroke-width:1}.line{fill:none;stroke-width:1.8}.bar{opacity:.65}
    .one{stroke:var(--one)}.two{stroke:var(--two)}.three{stroke:var(--three)}.four{stroke:var(--four)}.five{stroke:var(--five)}.six{stroke:var(--six)}
    rect.one{fill:var(--one);stroke:none}rect.two{fill:var(--two);stroke:none}rect.three{fill:var(--three);stroke:none}
    rect.four{fill:var(--four);stroke:none}rect.five{fill:var(--five);stroke:none}rect.six{fill:var(--six);stroke:none}
    .marks{display:flex;flex-wrap:wrap;gap:16px}.marks img{width:160px;height:160px;object-fit:contain;image-rendering:pixelated;background:var(--soft)}
    .framed{position:relative;width:160px;height:160px}.framed span{position:absolute;border:2px solid var(--two)}
    .tiles{list-style:none;margin:8px 0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,72px);gap:8px 6px}
    .tiles li{font-size:.6875rem;line-height:1.25;overflow-wrap:anywhere}
    .tile{display:block;width:72px;height:72px;image-rendering:pixelated;background-repeat:no-repeat}
    .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:24px}
    pre{overflow-x:auto;background:var(--soft);padding:12px;font-size:.8125rem}
    summary{cursor:pointer;padding:4px 0}
    {{#sheets}}.s{{id}}{background-image:url(data:image/jpeg;base64,{{jpeg}});background-size:{{width}}px {{height}}px}
    {{/sheets}}
    @media print{body{font-size:11pt}h2{break-after:avoid}figure,.tiles li,tr{break-inside:avoid}details{display:block}.tile,rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
    </style>
    </head>
    <body>
    <main>
    <h1>{{title}}</h1>
    <p class="dim small">{{subtitle}}</p>
    {{#unfinished}}<p role="status"><strong>Not finished:</strong> {{.}}</p>{{/unfinished}}
    {{#hasVerdict}}
    <section class="verdict {{grade}}" aria-label="Verdict">
    <strong>{{verdictHeadline}}</strong>
    {{#reasons}}<p><bdi>{{name}}</bdi>: {{count}}. {{reason}}.{{#alarm}} {{.}}{{/alarm}}</p>{{/reasons}}
    {{#remarks}}<p>{{.}}</p>{{/remarks}}
    {{#found}}<p class="dim">{{.}}</p>{{/found}}
    </section>
    {{/hasVerdict}}
    <nav aria-label="Contents" class="small">{{#contents}}<a href="#{{id}}">{{name}}</a> · {{/contents}}<a href="#run">The run</a></nav>

    {{#hasModels}}
    <h2 id="models">The models</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Figures of the models"><table>
    <thead><tr><th scope="col">model</th><th scope="col">accuracy, 95 % interval</th>{{#hasAttack}}<th scope="col">attack success, 95 % interval</th>{{/hasAttack}}<th scope="col">least class</th></tr></thead>
    <tbody>{{#models}}<tr><th scope="row">{{name}}</th><td>{{accuracy}}</td>{{#hasAttack}}<td>{{success}}</td>{{/hasAttack}}<td><bdi>{{least}}</bdi></td></tr>{{/models}}</tbody>
    </table></div>
    {{#confusion}}
    <h3>What <bdi>{{title}}</bdi> takes the {{count}} test images for</h3>
    {{#isTable}}
    <p class="small dim">A row for each true class, a column for each class that they are taken for.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion of classes"><table class="confusion small">
    <thead><tr><th scope="col">class</th>{{#columns}}<th scope="col" title="{{name}}" aria-label="taken for {{name}}">{{number}}</th>{{/columns}}</tr></thead>
    <tbody>{{#rows}}<tr><th scope="row">{{number}} <bdi>{{name}}</bdi></th>{{#cells}}<td class="{{kind}}" style="--share:{{share}}">{{count}}</td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    {{/isTable}}
    {{^isTable}}
    <p class="small dim">The most frequent mistakes; all are in confusion.csv.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Most confused classes"><table class="small">
    <thead><tr><th scope="col">class</th><th scope="col">taken for</th><th scope="col">images</th><th scope="col">of the class</th></tr></thead>
    <tbody>{{#pairs}}<tr><th scope="row"><bdi>{{label}}</bdi></th><td><bdi>{{prediction}}</bdi></td><td>{{count}}</td><td>{{share}}</td></tr>{{/pairs}}</tbody>
    </table></div>
    {{/isTable}}
    {{/confusion}}
    {{/hasModels}}

    {{#hasSuspects}}
    <h2 id="suspects">The suspects</h2>
    {{#labels}}
    <h3><bdi>{{name}}</bdi>: {{count}} {{kind}}</h3>
    {{#reason}}<p>{{.}}.</p>{{/reason}}
    <div class="marks">
    <figure><div class="framed"><img alt="Mean image of the suspects" src="data:image/png;base64,{{meanSuspect}}">{{#frame}}<span style="{{.}}"></span>{{/frame}}</div><figcaption>mean of the suspects</figcaption></figure>
    <figure><img alt="Mean image of the others of this label" src="data:image/png;base64,{{meanKept}}"><figcaption>mean of its others</figcaption></figure>
    <figure><img alt="Difference of the two means, three times as strong" src="data:image/png;base64,{{difference}}"><figcaption>difference, three times</figcaption></figure>
    </div>
    {{#isShort}}<p class="small dim">The first {{shown}} of {{count}}; all are in suspects.csv.</p>{{/isShort}}
    <ul class="tiles">{{#tiles}}<li><span class="tile s{{sheet}}" role="img" aria-label="{{words}}" title="{{path}}" style="background-position:{{x}}px {{y}}px"></span>{{caption}}</li>{{/tiles}}</ul>
    <div class="pair">
    {{#borders}}<section><h4>{{name}}</h4><ul class="tiles">{{#tiles}}<li><span class="tile s{{sheet}}" role="img" aria-label="{{words}}" title="{{path}}" style="background-position:{{x}}px {{y}}px"></span>{{caption}}</li>{{/tiles}}</ul></section>{{/borders}}
    </div>
    {{/labels}}
    {{/hasSuspects}}

    {{#hasEvidence}}
    <h2 id="evidence">What it rests on</h2>
    <div class="charts">{{#evidence}}<figure>{{{svg}}}<figcaption>{{caption}}{{#keys}} <span class="key"><svg viewBox="0 0 9 9" aria-hidden="true"><rect class="solid {{colour}}" width="9" height="9"/></svg>{{name}}</span>{{/keys}}</figcaption></figure>{{/evidence}}</div>
    {{/hasEvidence}}

    {{#hasTraining}}
    <h2 id="training">How it was learnt</h2>
    <div class="charts">{{#training}}<figure>{{{svg}}}<figcaption>{{caption}}{{#keys}} <span class="key"><svg viewBox="0 0 9 9" aria-hidden="true"><rect class="solid {{colour}}" width="9" height="9"/></svg>{{name}}</span>{{/keys}}</figcaption></figure>{{/training}}</div>
    {{/hasTraining}}

    <h2 id="run">The run</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Stages"><table>
    <thead><tr><th scope="col">stage</th><th scope="col">time</th></tr></thead>
    <tbody>{{#stages}}<tr><th scope="row">{{name}}</th><td>{{time}}</td></tr>{{/stages}}</tbody></table></div>
    <p>{{speed}}</p>
    {{#next}}<h3>What next</h3><ul>{{#lines}}<li>{{.}}</li>{{/lines}}</ul>{{/next}}
    <details><summary>Settings and versions</summary><pre tabindex="0">{{settings}}</pre></details>
    </main>
    </body>
    </html>

    """#
